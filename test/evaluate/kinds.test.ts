/** Figures of several labels, numbers, words and ordered classes, against their definitions and published values. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { averagePrecision, evaluateLabels } from '#graft/evaluate/evaluateLabels.js'
import { evaluateNumber } from '#graft/evaluate/evaluateNumber.js'
import { evaluateWords } from '#graft/evaluate/evaluateWords.js'
import { evaluate } from '#graft/evaluate/evaluation.js'
import { figureText, intervalText, mainFigure, secondFigure } from '#graft/evaluate/figures.js'

const random = () => new Random(1, 'kinds')
const near = (found: number, expected: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(found - expected) <= tolerance, `${found}, expected ${expected}`)

test('several labels: micro and macro F1, exact match, log loss', () => {
  const probabilities = matrix(4, 3, Float32Array.of(0.9, 0.2, 0.7, 0.6, 0.8, 0.1, 0.2, 0.3, 0.4, 0.9, 0.6, 0.8))
  const truth = [1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0]
  const found = evaluateLabels(probabilities, truth, ['a', 'b', 'c'], random())
  // Predicted: 101, 110, 000, 111. a: 3 hits. b: 1 hit, 1 wrong, 1 missed. c: 1 hit, 1 wrong.
  near(found.microF1, (2 * 5) / (2 * 5 + 2 + 1))
  near(found.macroF1, (1 + 0.5 + 2 / 3) / 3)
  assert.equal(found.accuracy, 1 / 4)
  const loss =
    -[0.9, 0.8, 0.7, 0.6, 0.2, 0.9, 0.8, 0.3, 0.6, 0.9, 0.6, 0.2].reduce((sum, p) => sum + Math.log(p), 0) / 12
  near(found.logLoss, loss, 1e-6)
  assert.deepEqual(
    found.perClass.map(({ support }) => support),
    [3, 2, 1],
  )
  assert.ok(found.microF1Interval.low <= found.microF1 && found.microF1 <= found.microF1Interval.high)
  assert.deepEqual([mainFigure(found).name, secondFigure(found)?.name], ['micro F1', 'macro F1'])
})

test("average precision is scikit-learn's: 0.8333 in the example of its documentation", () => {
  near(averagePrecision(Float64Array.of(0.1, 0.4, 0.35, 0.8), [0, 0, 1, 1]), 0.8333333333333333)
  // Equal scores are one threshold.
  near(averagePrecision(Float64Array.of(0.5, 0.5, 0.5, 0.1), [1, 0, 0, 1]), 0.5 * (1 / 3) + 0.5 * (2 / 4))
  assert.ok(Number.isNaN(averagePrecision(Float64Array.of(0.5), [0])))
})

test('numbers: R2, errors and rank correlation', () => {
  // The example of scikit-learn's r2_score.
  const found = evaluateNumber([2.5, 0, 2, 8], [3, -0.5, 2, 7], random())
  near(found.r2, 0.9486081370449679, 1e-12)
  near(found.mae, 0.5)
  near(found.rmse, Math.sqrt(0.375))
  near(found.spearman, 1)
  near(evaluateNumber([1, 1, 3, 4], [1, 2, 3, 4], random()).spearman, 0.9486832980505138)
  assert.ok(Number.isNaN(evaluateNumber([1, 2], [3, 3], random()).r2))
  assert.equal(figureText(mainFigure(found)), '0.949')
  assert.match(intervalText(mainFigure(found)), / to /)
})

test('ordered classes: mean distance and quadratic kappa', () => {
  const labels = [0, 0, 1, 1, 2, 2, 2, 1]
  const said = [0, 1, 1, 1, 2, 0, 2, 2]
  const probabilities = matrix(8, 3)
  said.forEach((k, i) => {
    probabilities.data[i * 3 + k] = 1
  })
  const found = evaluate(probabilities, labels, ['1', '2', '3'], random(), true)
  near(found.order!.mae, (0 + 1 + 0 + 0 + 0 + 2 + 0 + 1) / 8)
  // 1 - sum w O / sum w E, spelled out over all pairs of samples.
  let observed = 0
  let expected = 0
  for (const [i, a] of labels.entries()) {
    observed += (a - said[i]!) ** 2
    for (const b of said) expected += (a - b) ** 2 / labels.length
  }
  near(found.order!.kappa, 1 - observed / expected)
  assert.equal(evaluate(probabilities, labels, ['1', '2', '3'], random()).order, undefined)
})

test('words: entities by type and ends, words that were cut off count as wrong', () => {
  const classes = ['O', 'B-PER', 'I-PER', 'B-LOC']
  const truth = [
    [1, 2, 0, 3],
    [0, 1, -1, 0],
  ]
  const said = [
    [1, 2, 0, 1],
    [0, 1, 2, -1],
  ]
  const found = evaluateWords(truth, said, classes, random())
  // Of three entities two are found; three were named.
  near(found.entities!.precision, 2 / 3)
  near(found.entities!.recall, 2 / 3)
  assert.deepEqual([found.words, found.cutOff], [7, 1])
  near(found.accuracy, 5 / 7)
  assert.deepEqual(
    found.entities!.perType.map(({ name, support, recall }) => [name, support, recall]),
    [
      ['PER', 2, 1],
      ['LOC', 1, 0],
    ],
  )
  assert.equal(evaluateWords([[0, 1]], [[0, 0]], ['noun', 'verb'], random()).entities, undefined)
})
