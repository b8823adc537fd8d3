// Embeddings by OpenAI's own package, from the simulator through wye.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import { ROOT } from '../support/process.mjs'
import { serve } from '../support/wye.mjs'

let w, openai
before(async () => {
  w = await serve(join(ROOT, 'routes'), { demo: true })
  openai = new OpenAI({ apiKey: 'none', baseURL: `http://127.0.0.1:${w.port}/v1`, maxRetries: 0 })
})
after(() => w?.stop())

const near = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0)

for (const model of ['openai/mini', 'google/flash', 'local/8b'])
  for (const encoding_format of ['float', 'base64', undefined])
    test(`${model}, ${encoding_format ?? 'as the package asks'}: one vector an input, and alike what is alike`, async () => {
      const input = ['the cat sat on the mat', 'on the mat sat the cat', 'quarterly revenue grew strongly']
      const reply = await openai.embeddings.create({ model, input, encoding_format })
      const read = ({ embedding: e }) => (typeof e === 'string' ? [...new Float32Array(new Uint8Array(Buffer.from(e, 'base64')).buffer)] : e)
      const [a, b, c] = reply.data.map(read)
      assert.deepEqual(reply.data.map((d) => d.index), [0, 1, 2])
      assert.equal(a.length, 256)
      assert.ok(Math.abs(near(a, a) - 1) < 1e-5)
      assert.ok(near(a, b) > 0.999 && near(a, c) < 0.5, `${near(a, b)} ${near(a, c)}`)
      assert.ok(reply.usage.prompt_tokens > 0 || model === 'google/flash')
    })

test('fewer dimensions, tokens, one text, and what is no input', async () => {
  const create = (body) => openai.embeddings.create({ model: 'openai/mini', encoding_format: 'float', ...body })
  assert.equal((await create({ input: 'hi', dimensions: 12 })).data[0].embedding.length, 12)
  assert.equal((await create({ input: [1, 2, 3] })).data.length, 1)
  assert.equal((await create({ input: [[1, 2], [3]] })).data.length, 2)
  await assert.rejects(create({ input: {} }), (e) => e.status === 400 && e.param === 'input')
})
