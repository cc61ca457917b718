import assert from 'node:assert/strict'
import { test } from 'node:test'
import { barChart, labelCountChart, lineChart, reliabilityDiagram } from '#graft/evaluate/plots.js'

const description = 'What the chart shows'

function sound(svg: string): void {
  assert.match(svg, /^<svg [^>]*aria-label="What the chart shows"/)
  assert.match(svg, /role="img"/)
  assert.doesNotMatch(svg, /NaN|Infinity|undefined|<style/)
}

test('charts draw ordinary data', () => {
  const line = lineChart({
    description,
    xLabel: 'Epoch',
    yLabel: 'Loss',
    series: [
      {
        name: 'train',
        points: [
          { x: 1, y: 2 },
          { x: 2, y: 1 },
        ],
      },
      {
        name: 'validation <b>',
        points: [
          { x: 1, y: 2 },
          { x: 2, y: 1 },
        ],
      },
    ],
    mark: { x: 2, label: 'kept' },
  })
  sound(line)
  assert.match(line, />validation &lt;b&gt;</)
  assert.equal(line.match(/<circle/g)?.length, 4)
  const bars = barChart({
    description,
    xLabel: 'Accuracy',
    bars: [
      { name: 'one', value: 0.8, low: 0.7, high: 0.9, strong: true },
      { name: 'two', value: 0.5 },
    ],
    format: (value) => `${100 * value}%`,
    xDomain: [0, 1],
  })
  sound(bars)
  assert.equal(bars.match(/<rect/g)?.length, 2)
  const points = [10, 100].map((labels) => ({ labels, accuracy: 0.5, low: 0.4, high: 0.6 }))
  const curve = [10, 100, 1000].map((labels) => ({ labels, accuracy: 0.5, low: 0.4, high: 0.6 }))
  const law = labelCountChart({ description, points, curve, measuredTo: 100 })
  sound(law)
  assert.match(law, /estimated/)
  sound(
    reliabilityDiagram(
      { bins: [{ low: 0.5, high: 1, count: 3, confidence: 0.8, accuracy: 0.67 }], ece: 0.1, maximumError: 0.1 },
      description,
    ),
  )
})

test('degenerate data give a sound drawing, not NaN', () => {
  const base = { description, xLabel: 'x', yLabel: 'y' }
  sound(lineChart({ ...base, series: [{ name: 'a', points: [{ x: 1, y: 1 }] }] }))
  sound(
    lineChart({
      ...base,
      series: [
        {
          name: 'a',
          points: [
            { x: 1, y: 0 },
            { x: 2, y: 0 },
          ],
        },
        { name: 'b', points: [] },
      ],
    }),
  )
  sound(lineChart({ ...base, series: [], percent: true }))
  sound(barChart({ description, xLabel: 'x', bars: [{ name: '', value: 0 }], format: String }))
  sound(barChart({ description, xLabel: 'x', bars: [], format: String }))
  const point = { labels: 8, accuracy: 0.5, low: 0.5, high: 0.5 }
  sound(labelCountChart({ description, points: [point], curve: [], measuredTo: 8 }))
  sound(reliabilityDiagram({ bins: [], ece: 0, maximumError: 0 }, description))
})
