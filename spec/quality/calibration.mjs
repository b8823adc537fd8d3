// Fitted on one half of what commercial classifiers said, measured on the other: FrugalML's data (Chen, Zaharia and Zou 2020).
import { figure, halves, mean, part, path, rows, write, wye_json } from './frame.mjs'

const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
const HALVINGS = 3

function measure(items, score) {
  const errors = [], raw = [], off = []
  for (let seed = 1; seed <= HALVINGS; seed++) {
    const [fit, test] = halves(items, seed).map((half, i) => write(`half${i}`, half))
    for (const share of SHARES) {
      wye_json('calibrate', fit, '--score', score, '-o', path('c.json'), '--share', String(share))
      const report = wye_json('calibrate', test, '--score', score, '--with', path('c.json'))
      off.push(Math.abs(report.share - share))
      if (share > SHARES[0]) continue
      errors.push(report.ece)
      raw.push(report.ece_before)
    }
  }
  return { error: mean(errors), raw: mean(raw), off: mean(off), worst: Math.max(...off) }
}

export default async function () {
  for (const set of ['imdb', 'ferplus']) {
    const name = `confidence.${set}.jsonl`
    await part(`Calibration, ${set}: fitted on one half, measured on the other, ${HALVINGS} times`, name, () => {
      const items = rows(name)
      for (const score of Object.keys(items[0]).filter((key) => key.endsWith('_conf'))) {
        const m = measure(items, score)
        figure({ name: `${score}: calibration error (15 bins)`, value: m.error, next: 0.03, goal: 0.015, least: true, note: `${m.raw.toFixed(4)} before` })
        figure({ name: `${score}: budget error, mean over nine shares`, value: m.off, next: 0.025, goal: 0.015, least: true,
          note: `worst ${m.worst.toFixed(4)}` })
      }
    })
  }
}
