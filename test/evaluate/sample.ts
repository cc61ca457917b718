/** A run's report data with every section filled, small and made up, for the tests of what is written from it. */
import { softmaxRows } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { fitTemperature, reliability } from '#graft/evaluate/calibration.js'
import { evaluate } from '#graft/evaluate/evaluation.js'
import { wilsonInterval } from '#graft/evaluate/intervals.js'
import { labelCurve } from '#graft/evaluate/labelCurve.js'
import type { ReportData } from '#graft/evaluate/report.js'
import { logits as makeLogits } from './fixtures.js'

/** A GIF of one pixel. */
export const PIXEL = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'

/** The sample, with every text passed through `say` (identity by default) so that tests can make all of them hostile. */
export function sampleReport(say: (text: string) => string = (text) => text, classCount = 3): ReportData {
  const n = 20 * classCount
  const classes = Array.from({ length: classCount }, (_, k) => say(`class ${k}`))
  const labels = Array.from({ length: n }, (_, i) => i % classCount)
  const logits = makeLogits(n, classCount, 31, 6, (i) => labels[i])
  const probabilities = softmaxRows(logits)
  const temperature = fitTemperature(logits, labels)
  const photo = (name: string) => ({ name: say(`photos/${name}.jpg`), thumbnail: PIXEL })
  const measured = [40, 80, 160, 320, 640].map((count) => ({
    labels: count,
    accuracy: 1 - 2 * count ** -0.5 - 0.02,
    n: 5000,
  }))
  const interval = wilsonInterval(40, 60)
  return {
    title: say('A title'),
    summary: say('What was done.'),
    footer: say('Written by a test.'),
    classes,
    evaluation: { ...evaluate(probabilities, labels, classes, new Random(1)), split: say('test') },
    baselines: [{ name: say('Majority class'), accuracy: 1 / classCount, interval }],
    candidates: {
      split: say('validation'),
      reason: say('The probe was kept.'),
      items: [
        {
          name: say('Linear probe'),
          accuracy: 0.7,
          interval,
          macroF1: 0.69,
          seconds: 12.3,
          kept: true,
          note: say('a note'),
        },
        { name: say('k-NN'), accuracy: 0.6, kept: false },
      ],
    },
    confusionCells: [
      { truth: 0, predicted: 0, pictures: [photo('right')] },
      { truth: 0, predicted: 1, pictures: [photo('wrong'), { name: say('no thumbnail.png') }] },
    ],
    mistakes: [{ ...photo('mistake'), truth: 0, predicted: 1, confidence: 0.97 }],
    labelErrors: {
      checked: 60,
      found: 2,
      items: [
        { ...photo('error'), given: 1, suggested: 2, confidence: 0.9, selfConfidence: 0.02, split: say('train') },
      ],
    },
    curves: [
      {
        title: say('Loss'),
        xLabel: say('Epoch'),
        yLabel: say('Cross-entropy'),
        series: [
          {
            name: say('train'),
            points: [
              { x: 1, y: 2 },
              { x: 2, y: 1 },
            ],
          },
          {
            name: say('validation'),
            points: [
              { x: 1, y: 2.1 },
              { x: 2, y: 1.4 },
            ],
          },
        ],
        kept: 2,
      },
    ],
    calibration: {
      fittedOn: say('validation'),
      measuredOn: say('test'),
      temperature,
      before: reliability(probabilities, labels),
      after: reliability(softmaxRows(logits, temperature.temperature), labels),
    },
    resources: {
      phases: [{ name: say('Features'), seconds: 65, peakBytes: 4.2e8 }],
      totalSeconds: 70,
      peakBytes: 5e8,
      threads: 2,
      machine: say('Linux x64'),
    },
    warnings: [{ title: say('2 photos occur twice'), detail: say('Remove them.'), pictures: [photo('twice')] }],
    data: {
      source: say('./photos'),
      splits: [
        { name: say('train'), counts: labels.slice(0, classCount).map(() => 30) },
        { name: say('test'), counts: labels.slice(0, classCount).map(() => 20) },
      ],
      splitRule: say('seed 0'),
    },
    skipped: { total: 2, items: [{ name: say('broken.jpg'), reason: say('the file is empty') }] },
    reproduction: {
      command: say('npx graft-ml train ./photos'),
      file: { data: say('./photos'), seed: 0 },
      fileName: say('run.json'),
      versions: { [say('graft-ml')]: say('0.1.0') },
    },
    benefits: {
      scratch: {
        pretrained: 0.9,
        pretrainedInterval: interval,
        scratch: 0.4,
        scratchInterval: interval,
        difference: { difference: 0.5, low: 0.4, high: 0.6, probabilityBetter: 1 },
        seconds: 60,
        note: say('a note'),
      },
      labelCurve: labelCurve(measured, new Random(2)),
      robustness: {
        baselineName: say('Nearest class mean'),
        n: 60,
        corruptions: [
          {
            name: say('Blur'),
            levels: [
              { severity: 0, model: 0.9, baseline: 0.5 },
              { severity: 3, model: 0.6, baseline: 0.4 },
            ],
          },
        ],
      },
      notes: [say('Two corruptions were left out.')],
    },
  }
}
