// A strict reader of Prometheus text (0.0.4) that also holds the naming rules of Prometheus' own linter: what /metrics prints must pass it.
import assert from 'node:assert/strict'

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y
const TYPES = ['counter', 'gauge', 'histogram']
// Seconds, bytes and ratios are the base units; these are not.
const UNITS = /_(ms|us|ns|milliseconds|microseconds|nanoseconds|minutes|hours|days|kb|mb|kib|mib|kilobytes|megabytes|percent|bits|cents)(_|$)/

function labels_of(text, line) {
  const labels = {}
  LABEL.lastIndex = 0
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    const match = LABEL.exec(text)
    assert.ok(match, `labels: ${line}`)
    assert.ok(!(match[1] in labels), `a label twice: ${line}`)
    assert.ok(!match[1].startsWith('__'), `a reserved label: ${line}`)
    labels[match[1]] = match[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c))
  }
  return labels
}

function value_of(text, line) {
  if (text === '+Inf' || text === '-Inf') return text === '+Inf' ? Infinity : -Infinity
  assert.match(text, /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/, `a value: ${line}`)
  return Number(text)
}

function check_name({ name, type }) {
  assert.match(name, /^wye_[a-z0-9_]+$/)
  assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`)
  assert.doesNotMatch(name, UNITS, `${name} is in no base unit`)
  assert.doesNotMatch(name, /_(counter|gauge|histogram)(_|$)/, `${name} names its type`)
  if (type !== 'histogram') assert.doesNotMatch(name, /_(count|sum|bucket)$/, `${name} ends as parts of histograms do`)
}

// For each set of its other labels: ascending limits, ascending counts, +Inf last and equal to the count, and a sum.
function check_histogram({ name, samples }) {
  const all = new Map()
  for (const { part, labels: { le, ...rest }, value } of samples) {
    const key = JSON.stringify(rest)
    const one = all.get(key) ?? all.set(key, { buckets: [] }).get(key)
    if (part === '_bucket') one.buckets.push([value_of(le, `${name} le`), value])
    else one[part] = value
  }
  for (const { buckets, _count, _sum } of all.values()) {
    assert.ok(buckets.length > 1 && _sum >= 0, `${name} lacks a part`)
    buckets.forEach(([le, count], i) => assert.ok(i === 0 || (le > buckets[i - 1][0] && count >= buckets[i - 1][1]), `${name} is not cumulative`))
    assert.deepEqual(buckets.at(-1), [Infinity, _count], `${name} has no +Inf like its count`)
  }
}

function check_family(family) {
  assert.ok(family.type, `${family.name} has no TYPE`)
  check_name(family)
  for (const { value, labels } of family.samples) {
    assert.ok(family.type === 'gauge' || value >= 0, `${family.name} is below 0`)
    assert.ok(family.type === 'histogram' || !('le' in labels), `${family.name} has le`)
  }
  if (family.type === 'histogram') check_histogram(family)
  if (family.name.endsWith('_info')) for (const { value } of family.samples) assert.equal(value, 1, `${family.name} is not 1`)
}

function begin(families, [, kind, name, rest], line) {
  assert.match(name, NAME, line)
  if (kind === 'HELP') {
    assert.ok(!families.has(name), `${name} comes twice`)
    assert.ok(rest.length > 0, `${name} says nothing`)
    return families.set(name, { name, samples: [] }).get(name)
  }
  const family = families.get(name)
  assert.ok(family && !family.type && family.samples.length === 0, `TYPE does not follow HELP: ${line}`)
  assert.ok(TYPES.includes(rest), `there is no type ${rest}`)
  family.type = rest
  return family
}

// The families by name: { name, type, samples: [{ series, part, labels, value }] }. Throws at the first breach.
export function read_metrics(text) {
  const families = new Map()
  const seen = new Set()
  let current
  assert.ok(text.endsWith('\n'), 'the last line has no end')
  for (const line of text.slice(0, -1).split('\n')) {
    const head = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line)
    if (head) {
      current = begin(families, head, line)
      continue
    }
    const match = SAMPLE.exec(line)
    assert.ok(match, `no sample: ${line}`)
    const [, name, text_of_labels = '', value] = match
    const part = current.type === 'histogram' ? name.slice(current.name.length) : ''
    assert.equal(name, current.name + part, `${name} stands under ${current.name}`)
    if (current.type === 'histogram') assert.ok(['_bucket', '_sum', '_count'].includes(part), line)
    const labels = labels_of(text_of_labels, line)
    const series = `${name}{${Object.entries(labels).sort().map(([k, v]) => `${k}=${JSON.stringify(v)}`)}}`
    assert.ok(!seen.has(series), `${series} comes twice`)
    seen.add(series)
    current.samples.push({ series, part, labels, value: value_of(value, line) })
  }
  for (const family of families.values()) check_family(family)
  return families
}
