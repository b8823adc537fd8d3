// make quality: what is learnt, on data beside the project, with the published figures next to it. `node run.mjs PART...` runs those only.
import { misses } from './frame.mjs'

const PARTS = ['intent', 'routing', 'calibration', 'cascade', 'drift']
const asked = process.argv.slice(2)
for (const name of PARTS.filter((p) => asked.length === 0 || asked.includes(p))) await (await import(`./${name}.mjs`)).default()
console.log(`\n${misses()} figure${misses() === 1 ? '' : 's'} missed`)
process.exitCode = misses() > 0 ? 1 : 0
