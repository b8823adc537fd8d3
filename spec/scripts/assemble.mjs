// What the client's own SDK makes of a stream: `node spec/scripts/assemble.mjs PROTOCOL FILE` prints the message that it puts together from the bytes in FILE.
import { readFileSync } from 'node:fs'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'

const [protocol, file] = process.argv.slice(2)
const fetch = async () => new Response(readFileSync(file), { headers: { 'content-type': 'text/event-stream' } })
const options = { apiKey: 'none', baseURL: 'http://127.0.0.1:9', maxRetries: 0, fetch }
const messages = [{ role: 'user', content: 'x' }]

const assemble = {
  chat: () => new OpenAI(options).chat.completions.stream({ model: 'm', messages }).finalChatCompletion(),
  messages: () => new Anthropic(options).messages.stream({ model: 'm', max_tokens: 9, messages }).finalMessage(),
  responses: () => new OpenAI(options).responses.stream({ model: 'm', input: 'x' }).finalResponse(),
}

console.log(JSON.stringify(await assemble[protocol]()))
