// What wye is to reach: [figure, table's title, row, key, good enough now, where it is going]. All but shares: less is better.
const nginx = '÷ nginx'

export const goals = [
  [`CPU, 1 KB, 64 connections ${nginx}`, '1 KB requests, 64 connections', 'wye', 'us_ratio', 1.1, 0.65],
  [`CPU, 1 KB, 256 connections ${nginx}`, '1 KB requests, 256 connections', 'wye', 'us_ratio', 1.1, 0.65],
  [`CPU, 50 KB, 64 connections ${nginx}`, '50 KB requests, 64 connections', 'wye', 'us_ratio', 1.3, 1.0],
  [`added p50, 1 connection ${nginx}`, '1 KB requests, 1 connection, latency added over direct', 'wye', 'added50_ratio', 1.1, 0.95],
  [`added p99, 1 connection ${nginx}`, '1 KB requests, 1 connection, latency added over direct', 'wye', 'added99_ratio', 1.1, 0.95],
  [`CPU at 10,000/s, 4,000 held ${nginx}`, '4000 requests held open at the upstream, 64 connections beside them', 'wye', 'paced_ratio', 1.1, 0.7],
  ['KB for each held 1 KB request', '4000 requests held open at the upstream, 64 connections beside them', 'wye', 'each', 16, 6],
  [`CPU for each event ${nginx}`, '64 streams, an event each 5 ms', 'wye', 'each_ratio', 1.2, 0.95],
  ['events held back', '64 streams, an event each 5 ms', 'wye', 'held_back', 0, 0],
  ['system calls for each request', 'system calls for each 1 KB request, 64 connections (strace)', 'wye', 'calls', 6, 4.2],
  ['user instructions for each request', 'user instructions for each 1 KB request (callgrind)', 'wye', 'each', 30000, 15000],
  ['us that an experiment and its exposure add', 'wye with an experiment and its exposure', 'experiment', 'added', 2, 2],
  ['CPU with keys and limits ÷ bare', 'wye with keys, limits, cooldown, budget and prices', 'limits', 'share', 1.15, 1.15],
  ['p99 while reloading ÷ still', 'wye with a reload each second', 'reloading', 'p99_share', 1.1, 1.03],
  ['1 ÷ throughput while reloading ÷ still', 'wye with a reload each second', 'reloading', 'slowdown', 1.1, 1.03],
  ['ms from reload to live', 'wye reload, 10 route files, 4 workers, with its gates and the command itself', 'wye', 'ms', 50, 10],
  ['MiB idle', 'memory: idle, and for each of 4000 idle connections', 'wye', 'idle', 14, 8],
  ['us to classify 30 words, 150 labels', 'classify: 150 labels, 9,000 rows', 'wye', 'words30', 20, 5],
  ['us to classify 2,500 characters', 'classify: 150 labels, 9,000 rows', 'wye', 'characters2500', 700, 250],
  ['us to replay a decision, no asks', 'wye replay, a route that asks nobody', 'wye', 'each', 50, 10],
  ['us to replay a decision, one ask', 'wye replay, a route that asks', 'wye', 'each', 50, 10],
  ['KB for each idle connection', 'memory: idle, and for each of 4000 idle connections', 'wye', 'connection', 4, 0.5],
]

// Those that this run measured.
export function reached(results) {
  return goals
    .map(([figure, title, row, key, next, goal]) => ({ figure, value: results[title]?.[row]?.[key], next, goal }))
    .filter(({ value }) => Number.isFinite(value))
}
