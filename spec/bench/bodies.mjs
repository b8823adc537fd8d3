// Chat requests of about a given size, as agents send them: a system prompt, turns, then the question.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const words = 'please compare these two contracts and list every clause where liability differs between them today'.split(' ')

function text(bytes) {
  let out = ''
  for (let i = 0; out.length < bytes; i++) out += (out ? ' ' : '') + words[(i * 7) % words.length]
  return out.slice(0, bytes)
}

const system = 'You are a careful assistant. Answer briefly.'

function chat(model, bytes, more = {}) {
  const messages = more.system ? [] : [{ role: 'system', content: system }]
  const turns = Math.max(1, Math.floor(bytes / 2000))
  const each = Math.floor((bytes - 300) / turns) - 40
  for (let i = 0; i < turns; i++) messages.push({ role: i % 2 ? 'assistant' : 'user', content: text(each) })
  messages.push({ role: 'user', content: 'Which one is stricter?' })
  return JSON.stringify({ model, temperature: 0.2, max_tokens: 300, ...more, messages })
}

// Writes each request into `dir`; returns their paths by name.
export function writeBodies(dir) {
  const bodies = {
    '1 KB': chat('auto', 1024),
    '50 KB': chat('auto', 50 * 1024),
    'trial 1 KB': chat('wye/trial', 1024),
    'shadow 1 KB': chat('wye/shadow', 1024),
    'asks 1 KB': chat('wye/asks', 1024),
    hold: chat('wye/hold', 1024),
    events: chat('wye/events', 1024, { stream: true }),
    'messages 1 KB': chat('auto', 1024, { system }),
    'messages 50 KB': chat('auto', 50 * 1024, { system }),
    'messages events': chat('wye/events', 1024, { system, stream: true }),
  }
  return Object.fromEntries(
    Object.entries(bodies).map(([name, body]) => {
      const path = join(dir, `${name.replaceAll(' ', '')}.json`)
      writeFileSync(path, body)
      return [name, path]
    }),
  )
}
