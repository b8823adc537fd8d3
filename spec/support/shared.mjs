// Third-party data beside the project (../shared, or where WYE_SHARED says), and the recordings in it.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ROOT } from './process.mjs'

export const shared = [process.env.WYE_SHARED, '../shared', '../../shared'].filter(Boolean).map((dir) => resolve(ROOT, dir)).find((dir) => existsSync(dir))
export const skip = shared ? false : 'there is no ../shared (WYE_SHARED)'

// Those of a provider whose names begin so: { name, status, type, body, request }.
export function recordings(provider, prefix = '') {
  const dir = join(shared ?? '', 'fixtures', provider)
  const names = shared ? readdirSync(dir).filter((file) => file.startsWith(prefix) && file.endsWith('.body')).map((file) => file.slice(0, -5)) : []
  return names.flatMap((name) => {
    const meta = JSON.parse(readFileSync(join(dir, `${name}.meta.json`), 'utf8'))
    const asked = join(dir, `${name}.request.json`)
    if (!existsSync(asked) || !meta.headers) return []
    const body = readFileSync(join(dir, `${name}.body`))
    return [{ name, status: meta.status, type: meta.headers['content-type'] ?? 'application/json', body, request: JSON.parse(readFileSync(asked, 'utf8')) }]
  })
}
