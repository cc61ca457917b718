/** Charts of a run on several tasks: gains with their intervals, and what one task gives for another. */
import * as Plot from '@observablehq/plot'
import { axisPercent, draw, MUTED, type Point, seriesColour, shorten, textWidth } from '../plots.js'

export interface GainChart {
  readonly description: string
  readonly xLabel: string
  /** A gain of 0.01 is drawn as 1 %. */
  readonly rows: readonly {
    readonly name: string
    readonly value: number
    readonly low: number
    readonly high: number
  }[]
}

/** Dots with intervals about a line at zero: right of it sharing helps. */
export function gainChart({ description, xLabel, rows }: GainChart): string {
  const named = rows.map((row, i) => ({ ...row, key: String(i) }))
  const label = (key: string) => shorten(rows[Number(key)]!.name, 28)
  const most = Math.max(
    0.01,
    ...rows.flatMap(({ low, high, value }) => [low, high, value].filter(Number.isFinite).map(Math.abs)),
  )
  return draw(description, {
    width: 560,
    height: 60 + 34 * rows.length,
    marginLeft: 20 + textWidth(rows.map(({ name }) => shorten(name, 28))),
    marginBottom: 40,
    x: { label: xLabel, domain: [-1.1 * most, 1.1 * most], grid: true, tickFormat: axisPercent, ticks: 6 },
    y: { label: null, domain: named.map(({ key }) => key), tickFormat: label, tickSize: 0 },
    marks: [
      Plot.ruleX([0], { stroke: MUTED, strokeDasharray: '4 3' }),
      Plot.ruleY(named, { y: 'key', x1: 'low', x2: 'high', stroke: 'currentColor', strokeWidth: 1.5 }),
      Plot.dot(named, {
        x: 'value',
        y: 'key',
        r: 5,
        fill: (row: (typeof named)[number]) => (row.value >= 0 ? seriesColour(0) : seriesColour(1)),
      }),
    ],
  })
}

export interface TradeChart {
  readonly description: string
  readonly xLabel: string
  readonly yLabel: string
  readonly xPercent: boolean
  readonly yPercent: boolean
  /** `best`: no other is better in both. */
  readonly points: readonly (Point & { readonly name: string; readonly best: boolean; readonly strong: boolean })[]
}

/** Named systems by what they reach in one task and in another; the Pareto front is drawn through those that none beats in both. */
export function tradeChart(chart: TradeChart): string {
  const points = chart.points.map((point) => ({ ...point, label: shorten(point.name, 34) }))
  const front = points.filter(({ best }) => best).sort((a, b) => a.x - b.x)
  const format = (percent: boolean) => (percent ? { tickFormat: axisPercent } : {})
  return draw(chart.description, {
    width: 620,
    height: 320,
    marginRight: 16 + textWidth(points.map(({ label }) => label)),
    marginLeft: 56,
    marginBottom: 40,
    x: { label: chart.xLabel, grid: true, nice: true, ticks: 5, ...format(chart.xPercent) },
    y: { label: chart.yLabel, grid: true, nice: true, ticks: 5, ...format(chart.yPercent) },
    marks: [
      front.length < 2
        ? null
        : Plot.line(front, { x: 'x', y: 'y', stroke: seriesColour(0), strokeDasharray: '4 3', strokeOpacity: 0.7 }),
      Plot.dot(points, {
        x: 'x',
        y: 'y',
        r: (point: (typeof points)[number]) => (point.strong ? 6 : 4),
        fill: (point: (typeof points)[number]) => (point.best ? seriesColour(0) : MUTED),
      }),
      Plot.text(points, { x: 'x', y: 'y', text: 'label', dx: 9, textAnchor: 'start' }),
    ],
  })
}
