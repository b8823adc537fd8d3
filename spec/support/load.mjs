// Constant plain and streamed load from a number of clients, which notes every request that did not end well.
import { chat, question } from './client.mjs'

// `each` is called with every whole reply; `forgive` may take a failure back (a connection that died with its worker).
export function constant_load(w, { plain = 4, streamed = 4, model = 'auto', each = () => {}, forgive = () => false }) {
  const counts = { plain: 0, streamed: 0, forgiven: 0 }
  const failures = []
  let running = true

  async function client(stream) {
    while (running) {
      const reply = await chat(w, { model, stream, messages: question() }).catch((error) => ({ error }))
      const good = reply.status === 200 && !reply.cut && (stream ? reply.done && !reply.error : reply.json !== undefined)
      if (good) {
        counts[stream ? 'streamed' : 'plain']++
        each(reply)
      } else if (forgive(reply)) {
        counts.forgiven++
      } else {
        failures.push(reply.error?.message ?? `${reply.status}${reply.cut ? ' cut' : ''} ${reply.text}`)
      }
    }
  }

  const clients = [...Array(plain).fill(false), ...Array(streamed).fill(true)].map(client)
  return {
    counts,
    failures,
    async stop() {
      running = false
      await Promise.all(clients)
    },
  }
}
