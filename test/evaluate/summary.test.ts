import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duration, grouped, percent, points, size } from '#graft/evaluate/format.js'
import { modelCard } from '#graft/evaluate/modelCard.js'
import { summaryLines } from '#graft/evaluate/summary.js'
import { sampleReport } from './sample.js'

test('numbers as people read them', () => {
  assert.deepEqual([percent(0.8763), percent(1, 0), percent(Number.NaN)], ['87.6%', '100%', 'not known'])
  assert.deepEqual(
    [points(0.0312), points(-0.2), points(0.0001), points(-0.0001)],
    ['+3.1', '\u221220.0', '0.0', '\u22120.0'],
  )
  assert.deepEqual([0.84, 42.2, 59.7, 192, 3900, 7199.8].map(duration), [
    '0.8 s',
    '42 s',
    '1 min 00 s',
    '3 min 12 s',
    '1 h 05 min',
    '2 h 00 min',
  ])
  assert.deepEqual([0, 10, 812345, 34.5e6, 999e6, 1.24e9].map(size), [
    '0 kB',
    '1 kB',
    '812 kB',
    '34.5 MB',
    '999 MB',
    '1.2 GB',
  ])
  assert.deepEqual([5, 1234, 1234567.891, -1234].map(grouped), ['5', '1,234', '1,234,567.891', '-1,234'])
})

test('the terminal summary tells the findings in aligned plain lines', () => {
  const lines = summaryLines(sampleReport())
  const text = lines.map((line) => line.text).join('\n')
  assert.match(lines[0]!.text, /^\d+\.\d% of 60 photos in the test split named correctly \(95% interval/)
  assert.equal(lines[0]!.kind, 'headline')
  for (const expected of [
    /\* Linear probe +70\.0%/,
    /Class +precision +recall +F1 +photos/,
    /What transfer bought you/,
    /\+50\.0 points/,
    /For \d\d%/,
    /2 photos may carry the wrong label/,
    /2 files left out/,
  ]) {
    assert.match(text, expected)
  }
  const start = lines.findIndex((line) => line.text.startsWith('Class'))
  const rows = lines.slice(start, start + 4).map((line) => line.text.length)
  assert.equal(new Set(rows).size, 1)
  assert.deepEqual(summaryLines({ title: 'Only a title', summary: '', classes: [] }), [
    { kind: 'headline', text: 'Only a title' },
  ])
})

test('names cannot act on the terminal, and wide letters keep the columns', () => {
  const lines = summaryLines(sampleReport((text) => `${text}\u001b[31m\n\u202e \u{1F600}漢`))
  for (const line of lines) assert.ok(!['\u001b', '\n', '\u202e'].some((sign) => line.text.includes(sign)), line.kind)
})

test('many classes are cut to the weakest', () => {
  const text = summaryLines(sampleReport((name) => name, 40)).map((line) => line.text)
  assert.ok(text.some((line) => line.startsWith('Weakest 10')))
  assert.ok(text.length < 50)
})

const card = {
  name: 'my-model',
  license: 'apache-2.0',
  backbone: { name: 'EfficientNet-Lite0', origin: 'timm', hubId: 'owner/name' },
  technique: 'a linear probe',
  imageSize: [224, 224] as const,
  temperature: 1.2,
  writtenBy: 'graft-ml 0.1.0',
}

test('the model card has front matter, figures with intervals, limits and how to load it', () => {
  const text = modelCard({ ...card, report: sampleReport() })
  const [, front, body] = text.split(/^---$/m)
  for (const line of [
    'license: apache-2.0',
    'library_name: transformers.js',
    'pipeline_tag: image-classification',
    '- owner/name',
    '- accuracy',
  ]) {
    assert.ok(front!.split('\n').includes(line), line)
  }
  assert.match(front!, /type: accuracy\n {6}value: 0\.\d+/)
  for (const expected of [
    /^# my-model$/m,
    /## Intended use/,
    /pipeline\('image-classification'/,
    /graft-ml predict/,
    /\| Accuracy \| \d+\.\d% \| \d+\.\d to/,
    /## Limits/,
    /npx graft-ml train \.\/photos/,
  ]) {
    assert.match(body!, expected)
  }
})

test('the model card survives hostile names and missing figures', () => {
  const hostile = sampleReport((text) => `${text} | <script>"x"</script> \`\`\`\n---\n# h \u{1F600}`)
  const text = modelCard({ ...card, name: 'a: "b"\n- c', report: hostile })
  const [, front, body] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(text) ?? []
  assert.ok(front!.split('\n').includes('- name: "a: \\"b\\"\\n- c"'))
  // What is outside the fenced command, whose text must stay as it is.
  const prose = body!.replace(/^````sh\n[\s\S]*?\n````$/m, '')
  assert.ok(prose.length < body!.length)
  assert.doesNotMatch(prose, /^# h|^---$|(?<!\\)<script>/m)
  const rows = text.split('\n').filter((line) => line.startsWith('| class'))
  assert.equal(rows.length, 3)
  const small = modelCard({
    name: 'm',
    license: 'other',
    backbone: { name: 'b' },
    technique: 't',
    writtenBy: 'w',
    report: { title: '', summary: '', classes: ['a', 'b'] },
  })
  assert.doesNotMatch(small, /model-index|How well|undefined|NaN/)
})
