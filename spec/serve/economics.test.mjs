// A cascade where it is known which model knows what: it reaches the strong model's quality for little more than a clairvoyant would pay, who sends
// each question to the cheapest model that knows the answer.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { serve, sim } from '../support/wye.mjs'

const QUESTIONS = Number(process.env.QUESTIONS ?? 400)
const AT_ONCE = 16
const MODELS = { weak: { quality: 0.6, price: [0.1, 0.4] }, strong: { quality: 0.95, price: [3, 12] }, all_knowing: { quality: 1, price: [0, 0] } }

const lines = (entry) => Object.entries(MODELS).map(entry).join('\n')
const script = `return { seed = 7, models = {
${lines(([name, m]) => `  ${name} = { quality = ${m.quality}, latency_ms = 0, tokens_per_second = 0 },`)}
} }\n`
const files = (url) => ({
  'wye.lua': `return {
  providers = { a = { kind = "openai", base_url = "${url}/v1" } },
  models = {
${lines(([name, m]) => `    ["a/${name}"] = { price = { input = ${m.price[0]}, output = ${m.price[1]} } },`)}
  },
  default = "a/strong",
  direct = true,
}\n`,
  'route.lua': `local weak, strong = wye.model "a/weak", wye.model "a/strong"
return function(req)
  local reply = weak:ask(req, { logprobs = true })
  if reply and (wye.score.confidence(reply) or 0) >= 0.7 then return reply, "sure" end
  return strong, "escalated"
end\n`,
})

let s, w
before(async () => {
  s = await sim({ script })
  w = await serve(files(s.url), { workers: 2 })
})
after(async () => {
  await w?.stop()
  await s?.stop()
})

// Of each question in turn: the answer and the id of its decision.
async function ask_all(model) {
  const found = []
  let next = 0
  const client = async () => {
    for (let i; (i = next++) < QUESTIONS; ) {
      const reply = await chat(w, { model, messages: question(`Question ${i}: what is its answer?`) })
      assert.equal(reply.status, 200, reply.text)
      const [, answer] = /answer is (\w+)\.$/.exec(reply.json.choices[0].message.content)
      found[i] = { answer, id: reply.headers['x-wye-id'] }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  return found
}

test('a cascade has the quality of its strong model, at nearly the least cost of that quality', async (t) => {
  const truth = await ask_all('a/all_knowing')
  const asked = { weak: await ask_all('a/weak'), strong: await ask_all('a/strong'), cascade: await ask_all('auto') }
  const records = new Map((await w.trace('-n', '100000')).map((record) => [record.id, record]))
  const right = (name, i) => asked[name][i].answer === truth[i].answer
  const usd = (name, i) => records.get(asked[name][i].id).usd
  const result = (is_right, cost) => {
    const each = truth.map((_, i) => i)
    return { quality: each.filter(is_right).length / QUESTIONS, usd: each.reduce((sum, i) => sum + cost(i), 0) }
  }
  const of = (name) => result((i) => right(name, i), (i) => usd(name, i))
  const [weak, strong, cascade] = [of('weak'), of('strong'), of('cascade')]
  const cheapest = (i) => (right('strong', i) && !right('weak', i) ? 'strong' : 'weak')
  const optimum = result((i) => right(cheapest(i), i), (i) => usd(cheapest(i), i))
  for (const [name, r] of Object.entries({ weak, strong, cascade, optimum }))
    t.diagnostic(`${name.padEnd(8)} quality ${r.quality.toFixed(3)}, ${((r.usd / strong.usd) * 100).toFixed(1)} % of the strong model's cost`)

  assert.ok(strong.quality - weak.quality > 0.2, 'the models differ')
  assert.ok(cascade.quality >= strong.quality - 0.005, `${cascade.quality} of ${strong.quality}`)
  assert.ok(cascade.usd <= optimum.usd * 1.25, `${cascade.usd} USD where ${optimum.usd} would do`)
  assert.ok(cascade.usd < strong.usd * 0.5, `${cascade.usd} of ${strong.usd} USD`)
})
