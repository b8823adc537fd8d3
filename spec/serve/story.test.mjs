// The story that scripts/stats/README.md tells, as it is told there: STORY=1 prints what its commands say.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { serve } from '../support/wye.mjs'

const files = {
  'wye.lua': `return {
  providers = { openai = { kind = "openai", base_url = "http://127.0.0.1:1/v1" } },
  models = {
    ["openai/mini"] = { price = { input = 0.25, output = 2 } },
    ["openai/large"] = { price = { input = 5, output = 20 } },
  },
  default = "openai/large",
}
`,
  'rules/v1.lua': 'local large = wye.model "openai/large"\n\nreturn function() return large, "always" end\n',
  'rules/v2.lua': `local mini, large = wye.model "openai/mini", wye.model "openai/large"

return function(req)
  if #req.prompt < 200 then return mini, "short" end
  return large, "long"
end
`,
  'route.lua': `local trial = wye.experiment("short-to-mini", {
  unit = "user", metric = "task_ok", guard = { "cost" },
  { "v1", 90, require "rules.v1" },
  { "v2", 10, require "rules.v2" },
})

return function(req) return trial(req) end
`,
}

let w
before(async () => {
  w = await serve(files, { demo: true, workers: 2 })
})
after(() => w?.stop())

async function run(...args) {
  const { code, stdout, stderr } = await w.cli(...args)
  if (process.env.STORY) console.log(`$ wye ${args.join(' ')}\n${stdout}${stderr}`)
  return { code, stdout, stderr }
}

// Each user asks once and says whether the task was done: nine in ten times, whichever the model.
async function visits(from, to, content = 'Which tariff covers calls to Portugal?') {
  for (let i = from; i < to; i += 20)
    await Promise.all([...Array(20)].map(async (_, k) => {
      const user = `user-${i + k}`
      const reply = await chat(w, { model: 'auto', user, messages: question(content) })
      assert.equal(reply.status, 200, reply.text)
      const value = (i + k) % 10 > 0
      await chat(w, { id: reply.headers['x-wye-id'], metric: 'task_ok', value }, { path: '/v1/feedback' })
    }))
}

test('what-if refuses while too few were seen to say', async () => {
  await visits(0, 100)
  const { code, stderr } = await run('ab', 'what-if', 'short-to-mini', 'v1=0,v2=100')
  assert.equal(code, 1)
  assert.match(stderr, /taken \d+ times where 30 are needed/)
})

test('a ramp, and the report after it', async () => {
  assert.equal((await run('ab', 'ramp', 'short-to-mini', '50,50')).code, 0)
  await visits(100, 1100)
  const { code, stdout } = await run('ab', 'report', 'short-to-mini')
  assert.equal(code, 0)
  assert.match(stdout, /v2/)
})

test('an edit with a mistake is tried on a fifth of the users, and taken back', async () => {
  w.write({
    'rules/v2.lua': files['rules/v2.lua'].replace('if #req.prompt', 'if req.prompt:match("euros%?$") then return mini, req.metadata.topic end\n  if #req.prompt'),
  })
  assert.equal((await run('load')).code, 0)
  assert.equal((await run('use', '2', '--percent', '20')).code, 0)
  let i = 2000
  await until('the canary is over', async () => {
    await visits(i, (i += 100), 'What do calls to Portugal cost in euros?') // nobody has asked so before
    return (await w.status()).canary.state !== 'running'
  }, 60000)
  const { stdout } = await run('status')
  assert.match(stdout, /canary: generation 2 .* stepped back: script errors in /)
  await run('trace', '-n', '3', '-q', 'cause == script_error')
  assert.equal((await w.status()).generation, 1)
})
