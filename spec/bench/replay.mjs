// wye only: recorded decisions of 1 KB requests decided again on one processor, by a route that asks nobody and by one that asks.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import * as measure from './measure.mjs'
import { BUILD, ROUTER_CPU, pinned, startRouter, stop } from './routers.mjs'

const ROUTES = { route: '1 KB', asks: 'asks 1 KB' }

function replay(router, trace, route) {
  const [command, ...args] = pinned(ROUTER_CPU, join(BUILD, 'wye'), 'replay', router.project, '--route', route, '--trace', trace, '--json')
  const { replayed, changed, cpu_seconds: seconds } = JSON.parse(execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  if (replayed < 1000 || changed) throw new Error(`${changed} of ${replayed} replayed decisions changed`)
  return { replayed, rate: replayed / seconds, each: (seconds * 1e6) / replayed }
}

export async function replays(context) {
  if (!context.routers.includes('wye')) return []
  const tables = []
  for (const [route, body] of Object.entries(ROUTES)) {
    const router = await startRouter('wye', context.mock, context.root, { captured: true })
    await measure.wrk(router, { body: context.bodies[body], connections: 64, seconds: context.quick ? 1 : 2 })
    await stop(router.child)
    const rounds = { wye: Array.from({ length: context.rounds }, () => replay(router, router.trace, route)) }
    tables.push({ title: `wye replay, ${route === 'asks' ? 'a route that asks' : 'a route that asks nobody'}`, rounds, figures: { rate: 'per CPU second', each: 'CPU us/each', replayed: 'decisions' } })
  }
  return tables
}
