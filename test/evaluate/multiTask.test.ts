/** Delta-MTL against the formula in plain arithmetic, the bootstrap's pairing, and the pages that are made of it. */
import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { evaluate } from '#graft/evaluate/evaluation.js'
import { taskCard } from '#graft/evaluate/multiTask/card.js'
import type { TaskReport } from '#graft/evaluate/multiTask/data.js'
import { deltaMtl } from '#graft/evaluate/multiTask/delta.js'
import { renderTaskReport } from '#graft/evaluate/multiTask/page.js'
import { figureOf, taskScores } from '#graft/evaluate/multiTask/scores.js'
import { evaluationLines, taskSummary } from '#graft/evaluate/multiTask/summary.js'

const rows = (...values: number[][]) => matrix(values.length, values[0]!.length, Float32Array.from(values.flat()))

describe('scores', () => {
  it('are quotients of sums over the samples that the task knows', () => {
    const classes = taskScores(
      { name: 'a', targets: { kind: 'single-label', labels: Int32Array.of(0, 1, -1, 1) } },
      rows([2, 1], [2, 1], [0, 9], [0, 1]),
    )
    assert.equal(figureOf(classes), 2 / 3)
    assert.equal(figureOf(classes, Int32Array.of(0, 0, 3, 2)), 1)
    const number = taskScores(
      { name: 'n', targets: { kind: 'number', values: Float64Array.of(1, Number.NaN, 5) } },
      rows([2], [7], [2]),
    )
    assert.equal(number.measure, 'mean absolute error')
    assert.equal(figureOf(number), (1 + 3) / 2)
    const labels = taskScores(
      {
        name: 'm',
        targets: {
          kind: 'multi-label',
          classes: ['x', 'y'],
          labels: Uint8Array.of(1, 1, 0, 1, 1, 1),
          known: Uint8Array.of(1, 1, 0),
        },
      },
      rows([1, -1], [1, 1], [-1, -1]),
    )
    // True positives 2 (x of the first, y of the second), one missed, one wrong.
    assert.equal(figureOf(labels), (2 * 2) / (2 * 2 + 1 + 1))
  })
})

/** Right or wrong, sample by sample. */
const accuracy = (name: string, right: readonly number[]) => ({
  name,
  measure: 'accuracy' as const,
  numerator: Float64Array.from(right),
  denominator: Float64Array.from(right, () => 1),
})
const error = (name: string, errors: readonly number[]) => ({
  name,
  measure: 'mean absolute error' as const,
  numerator: Float64Array.from(errors),
  denominator: Float64Array.from(errors, () => 1),
})

describe('delta-MTL', () => {
  it('is the mean of the signed relative differences', () => {
    const shared = [accuracy('a', [1, 1, 1, 0]), error('n', [1, 1, 1, 1])]
    const single = [accuracy('a', [1, 1, 0, 0]), error('n', [2, 2, 2, 2])]
    const found = deltaMtl(shared, single, new Random(1, 'x'))
    assert.ok(Math.abs(found.delta - ((0.75 - 0.5) / 0.5 + (2 - 1) / 2) / 2) < 1e-12)
    assert.deepEqual(
      found.tasks.map(({ single: s, shared: m, gain }) => [s, m, gain]),
      [
        [0.5, 0.75, 0.25],
        [2, 1, 1],
      ],
    )
    const main = deltaMtl(shared, single, new Random(1, 'x'), ['n'])
    assert.ok(Math.abs(main.delta - 0.5) < 1e-12, 'auxiliary tasks do not count')
    assert.equal(main.tasks.length, 2)
  })

  it('has an interval of the paired differences: systems that always differ alike have none', () => {
    const random = new Random(2, 'x')
    const errors = Array.from({ length: 60 }, () => 1 + random.uniform())
    const alike = deltaMtl(
      [
        error(
          'n',
          errors.map((e) => 0.9 * e),
        ),
      ],
      [error('n', errors)],
      random,
    )
    assert.ok(Math.abs(alike.delta - 0.1) < 1e-12)
    assert.ok(alike.high - alike.low < 1e-9)
    const apart = Array.from({ length: 400 }, () => (random.uniform() < 0.7 ? 1 : 0))
    const other = Array.from({ length: 400 }, () => (random.uniform() < 0.7 ? 1 : 0))
    const chance = deltaMtl([accuracy('a', apart)], [accuracy('a', other)], random)
    assert.ok(chance.low < 0 && chance.high > 0)
    // Two independent shares of 0.7 on 400 samples: sd of the relative difference about sqrt(2 x 0.21 / 400) / 0.7.
    const width = (chance.high - chance.low) / ((2 * 1.96 * Math.sqrt((2 * 0.21) / 400)) / 0.7)
    assert.ok(width > 0.75 && width < 1.3, `${width}`)
  })
})

const HOSTILE = '<script>alert(1)</script>"\'&\u202e'

function report(say: (text: string) => string): TaskReport {
  const shared = [accuracy(say('kind'), [1, 1, 1, 0, 1, 0]), error(say('age'), [1, 2, 1, 1, 3, 1])]
  const single = [accuracy(say('kind'), [1, 1, 0, 0, 1, 0]), error(say('age'), [1, 2, 2, 1, 3, 2])]
  const delta = deltaMtl(shared, single, new Random(1, 'report'))
  const names = [say('one'), say('two')]
  const evaluation = evaluate(rows([0.9, 0.1], [0.2, 0.8], [0.6, 0.4]), [0, 1, 1], names, new Random(1, 'e'))
  const epoch = (k: number) => ({
    epoch: k,
    losses: [1 / k, 2 / k],
    weights: [k, 1],
    cosines: [
      [1, 0.3 - 0.2 * k],
      [0.3 - 0.2 * k, 1],
    ],
    validationLosses: [1, 2],
    validationValues: [0.5 + 0.1 * k, 0.2 * k],
  })
  return {
    title: say('A title'),
    nouns: { one: 'photo', many: 'photos' },
    summary: say('Two tasks.'),
    footer: 'graft-ml',
    on: 'test',
    n: 6,
    weighting: { name: 'dwa', title: say('DWA'), paper: 'Liu 2019' },
    architecture: { name: 'hard-sharing', title: say('Hard sharing'), paper: '' },
    tasks: [
      {
        name: say('kind'),
        kind: 'single-label',
        main: true,
        measure: 'accuracy',
        labels: names,
        evaluation,
        known: { train: 40, validation: 5, test: 6 },
      },
      {
        name: say('age'),
        kind: 'number',
        main: true,
        measure: 'mean absolute error',
        labels: [say('age')],
        evaluation: undefined,
        known: { train: 30, validation: 5, test: 6 },
      },
    ],
    systems: [
      {
        key: 'shared',
        name: say('Shared'),
        figures: [4 / 6, 1.5],
        seconds: 3,
        steps: 10,
        stepMs: 4,
        probeMs: 1,
        kept: true,
      },
      { key: 'equal', name: 'Equal', figures: [0.5, 1.6], seconds: 2, steps: 10, stepMs: 2, probeMs: 0, kept: false },
      {
        key: 'single',
        name: 'Single',
        figures: [0.5, 11 / 6],
        seconds: 2,
        steps: 10,
        stepMs: 2,
        probeMs: 0,
        kept: false,
      },
    ],
    delta,
    equalDelta: delta,
    overEqual: delta,
    budget: say('As much.'),
    courses: [
      { name: say('DWA'), tasks: [0, 1], history: [epoch(1), epoch(2), epoch(3)], kept: 2 },
      { name: 'By itself', tasks: [1], history: [epoch(1), epoch(2)], kept: 1 },
    ],
    gradientsOf: 'what all tasks read',
    groups: [[say('kind'), say('age')]],
    warnings: [{ title: say('A warning'), detail: say('More of it') }],
    data: { source: say('labels.csv'), splitRule: 'as the data says', parts: [{ name: 'train', total: 40 }] },
    skipped: { total: 1, items: [{ name: say('x.jpg'), reason: say('gone') }] },
    resources: { phases: [{ name: say('Features'), seconds: 1 }], totalSeconds: 4 },
    reproduction: { command: say('npx graft-ml'), file: { verb: 'multitask' } },
  }
}

test('the report shows every part, asks for nothing, and escapes what users wrote', () => {
  const page = renderTaskReport(report((text) => text))
  for (const id of [
    'warnings',
    'gains',
    'cosines',
    'trades',
    'curves',
    'weights',
    'tasks',
    'methods',
    'cost',
    'data',
    'skipped',
    'resources',
    'reproduction',
  ])
    assert.match(page, new RegExp(`<section id="${id}"`))
  assert.doesNotMatch(page, /<script|https?:\/\/(?!www\.w3\.org)/)
  assert.match(page, /default-src 'none'/)
  assert.match(page, /−0\.10/, 'the mean of the cosines')
  const hostile = renderTaskReport(report((text) => `${text}${HOSTILE}`))
  assert.doesNotMatch(hostile, /<script/i)
  assert.doesNotMatch(hostile, /alert\(1\)<\/script>/)
})

test('the summary and the card say the same figures, and nothing can act on a terminal', () => {
  const lines = taskSummary(report((text) => text)).map(({ text }) => text)
  assert.match(lines.join('\n'), /kind: \+16\.7 points against a network of its own/)
  assert.match(lines.join('\n'), /\* Shared +66\.7% +1\.5/)
  for (const { text } of taskSummary(report((own) => `${own}${HOSTILE}\u001b[31m`)))
    assert.doesNotMatch(text, /[\p{Cc}\u202e]/u)
  const data = report((text) => text)
  const card = taskCard({
    name: 'm',
    report: data,
    license: 'mit',
    backbone: 'net',
    task: 'image-classification',
    writtenBy: 'g',
  })
  assert.match(card, /\| kind \| one, two \| accuracy 66\.7%/)
  const [first, second] = evaluationLines(
    { split: 'test', n: 3, tasks: { kind: data.tasks[0]!.evaluation! } },
    'photos',
  )
  assert.equal(first?.text, '3 photos of the test split')
  assert.match(second!.text, /^kind {2}accuracy 66\.7%/)
})
