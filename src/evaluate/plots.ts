/**
 * Charts as SVG text, drawn by Observable Plot on linkedom's document: no browser, no fonts to measure, the same text for the
 * same numbers. Colours are the report's CSS variables (--series-1 ..., --muted), so that one drawing serves light and
 * dark; each has a fallback for an SVG that stands alone. Series differ in dash and are named at their ends: colour is
 * never the only sign.
 */
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import type { Reliability } from './calibration.js'
import { grouped } from './format.js'
import { wilsonInterval } from './intervals.js'

/** Colour of series i, for light and dark. */
export function seriesColour(i: number): string {
  return [
    'var(--series-1, #0b66a8)',
    'var(--series-2, #c2500a)',
    'var(--series-3, #00795a)',
    'var(--series-4, #9c4f7d)',
  ][i % 4]!
}

export const MUTED = 'var(--muted, #6b7280)'
const DASHES = ['none', '6 3', '2 3', '8 3 2 3']

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Series {
  readonly name: string
  readonly points: readonly Point[]
}

/** What every chart says to those who cannot see it. */
interface Described {
  /** The finding in a sentence: becomes the drawing's accessible name. */
  readonly description: string
}

export interface LineChart extends Described {
  readonly xLabel: string
  readonly yLabel: string
  readonly series: readonly Series[]
  /** y is a share, shown in percent. Default false. */
  readonly percent?: boolean
  /** A vertical rule, e.g. at the epoch that was kept. */
  readonly mark?: { readonly x: number; readonly label: string } | undefined
  /** Lower and upper end of y. Default: what the data need. */
  readonly yDomain?: readonly [number, number]
  readonly width?: number
  readonly height?: number
}

/** Lines over a shared x, e.g. loss by epoch. */
export function lineChart(chart: LineChart): string {
  const { width = 440, height = 270 } = chart
  const rows = chart.series.flatMap((series, i) => series.points.map((point) => ({ ...point, i })))
  const ends = chart.series.flatMap((series, i) => {
    const last = series.points.at(-1)
    return last === undefined ? [] : [{ ...last, name: series.name, i }]
  })
  const few = new Set(rows.map((r) => r.x)).size <= 12
  const marginRight = 16 + textWidth(chart.series.map((series) => series.name))
  return draw(chart.description, {
    width,
    height,
    marginRight,
    x: {
      label: chart.xLabel,
      ...(few ? { ticks: [...new Set(rows.map((r) => r.x))].sort((a, b) => a - b) } : {}),
      tickFormat: grouped,
    },
    y: {
      label: chart.yLabel,
      grid: true,
      nice: true,
      ...(chart.yDomain ? { domain: chart.yDomain } : {}),
      ...(chart.percent ? { tickFormat: axisPercent } : {}),
      ticks: 5,
    },
    marks: [
      chart.mark === undefined ? null : Plot.ruleX([chart.mark], { x: 'x', stroke: MUTED, strokeDasharray: '2 3' }),
      chart.mark === undefined
        ? null
        : Plot.text([chart.mark], { x: 'x', text: 'label', frameAnchor: 'top', dy: -8, fill: MUTED }),
      ...chart.series.map((series, i) =>
        Plot.lineY(series.points, {
          x: 'x',
          y: 'y',
          stroke: seriesColour(i),
          strokeWidth: 2,
          strokeDasharray: DASHES[i % 4]!,
        }),
      ),
      few ? Plot.dot(rows, { x: 'x', y: 'y', fill: (d: { i: number }) => seriesColour(d.i), r: 2.5 }) : null,
      Plot.text(spreadLabels(ends, rows, height, chart.yDomain), {
        x: 'x',
        y: 'at',
        text: 'name',
        dx: 8,
        textAnchor: 'start',
        fill: (d: { i: number }) => seriesColour(d.i),
        fontWeight: 600,
      }),
    ],
  })
}

export interface BarChart extends Described {
  readonly xLabel: string
  readonly bars: readonly {
    readonly name: string
    readonly value: number
    readonly low?: number | undefined
    readonly high?: number | undefined
    /** The bar the chart is about; the others are drawn in grey. */
    readonly strong?: boolean | undefined
  }[]
  /** Text at a bar's end. */
  readonly format: (value: number) => string
  /** Text at the axis. Default: `format`. */
  readonly axisFormat?: (value: number) => string
  readonly xDomain?: readonly [number, number]
}

/** Horizontal bars from 0 with their names, values and, where given, intervals. */
export function barChart(chart: BarChart): string {
  const names = chart.bars.map((_, i) => String(i))
  const label = (i: string) => shorten(chart.bars[Number(i)]!.name, 30)
  const top = Math.max(1e-9, ...chart.bars.map((bar) => bar.high ?? bar.value))
  const rows = chart.bars.map((bar, i) => ({
    ...bar,
    key: String(i),
    end: bar.high ?? bar.value,
    text: chart.format(bar.value),
  }))
  const ranged = rows.filter((bar) => bar.low !== undefined && bar.high !== undefined)
  return draw(chart.description, {
    width: 470,
    height: 44 + 30 * rows.length,
    marginLeft: 18 + textWidth(names.map(label)),
    marginRight: 16 + textWidth(rows.map((bar) => bar.text)),
    marginTop: 6,
    marginBottom: 38,
    x: {
      label: chart.xLabel,
      domain: chart.xDomain ?? [0, top],
      grid: true,
      tickFormat: chart.axisFormat ?? chart.format,
      ticks: 5,
    },
    y: { domain: names, tickFormat: label, tickSize: 0, label: null, padding: 0.35 },
    marks: [
      Plot.barX(rows, {
        x: 'value',
        y: 'key',
        fill: (d: { strong?: boolean }) => (d.strong ? seriesColour(0) : MUTED),
        fillOpacity: 0.75,
      }),
      Plot.ruleY(ranged, { y: 'key', x1: 'low', x2: 'high', stroke: 'currentColor', strokeWidth: 1.5 }),
      Plot.tickX(ranged, { x: 'low', y: 'key', inset: 4 }),
      Plot.tickX(ranged, { x: 'high', y: 'key', inset: 4 }),
      Plot.text(rows, {
        x: 'end',
        y: 'key',
        text: 'text',
        textAnchor: 'start',
        dx: 7,
        fontWeight: 600,
        fontVariant: 'tabular-nums',
      }),
      Plot.ruleX([0]),
    ],
  })
}

export interface ScatterChart extends Described {
  readonly xLabel: string
  readonly yLabel: string
  readonly points: readonly Point[]
}

/** Dots over a dashed diagonal, both axes over one range. */
export function scatterChart({ description, xLabel, yLabel, points }: ScatterChart): string {
  const values = points.flatMap(({ x, y }) => [x, y])
  const low = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
  const high = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
  const edge = 0.03 * (high - low || 1)
  const domain = [low - edge, high + edge]
  return draw(description, {
    width: 440,
    height: 400,
    marginLeft: 52,
    marginBottom: 40,
    x: { label: xLabel, domain, grid: true, ticks: 6 },
    y: { label: yLabel, domain, grid: true, ticks: 6 },
    marks: [
      Plot.line(
        [
          [low, low],
          [high, high],
        ],
        { stroke: MUTED, strokeDasharray: '4 4' },
      ),
      Plot.dot(points, { x: 'x', y: 'y', r: 2.5, fill: seriesColour(0), fillOpacity: 0.45 }),
    ],
  })
}

export interface CostChart extends Described {
  readonly xLabel: string
  readonly yLabel: string
  /** y is a share, shown in percent. */
  readonly percent: boolean
  readonly points: readonly (Point & { readonly name: string })[]
}

/** Named dots over a logarithmic x: what something costs, and what it brings. */
export function costChart({ description, xLabel, yLabel, percent, points }: CostChart): string {
  // The axis has no place for what takes no time at all.
  const shown = points.map((point) => ({ ...point, x: Math.max(point.x, 0.01), label: shorten(point.name, 30) }))
  return draw(description, {
    width: 620,
    height: 320,
    marginRight: 16 + textWidth(shown.map((point) => point.label)),
    marginBottom: 40,
    x: { label: xLabel, type: 'log', grid: true, tickFormat: grouped, ticks: 4 },
    y: { label: yLabel, grid: true, nice: true, ticks: 5, ...(percent ? { tickFormat: axisPercent } : {}) },
    marks: [
      Plot.dot(shown, { x: 'x', y: 'y', r: 4, fill: seriesColour(0) }),
      Plot.text(shown, { x: 'x', y: 'y', text: 'label', dx: 9, textAnchor: 'start' }),
    ],
  })
}

/** Accuracy against confidence by bin, with Wilson intervals; dots grow with the bin's samples. On the diagonal is calibrated. */
export function reliabilityDiagram(reliability: Reliability, description: string): string {
  const bins = reliability.bins
    .filter((bin) => bin.count > 0)
    .map((bin) => ({ ...bin, ...rename(wilsonInterval(Math.round(bin.accuracy * bin.count), bin.count)) }))
  return draw(description, {
    width: 340,
    height: 320,
    marginRight: 14,
    x: { label: 'Confidence', domain: [0, 1], tickFormat: axisPercent, ticks: 5 },
    y: { label: 'Accuracy', domain: [0, 1], tickFormat: axisPercent, grid: true, ticks: 5 },
    r: { range: [2, 11] },
    marks: [
      Plot.rectY(bins, { x1: 'low', x2: 'high', y: 'accuracy', fill: seriesColour(0), fillOpacity: 0.18, inset: 1 }),
      Plot.line(
        [
          [0, 0],
          [1, 1],
        ],
        { stroke: MUTED, strokeDasharray: '4 3' },
      ),
      Plot.ruleX(bins, { x: 'confidence', y1: 'least', y2: 'most', stroke: seriesColour(0), strokeOpacity: 0.7 }),
      Plot.dot(bins, { x: 'confidence', y: 'accuracy', r: 'count', fill: seriesColour(0), fillOpacity: 0.85 }),
      Plot.ruleY([0]),
    ],
  })
}

export interface LabelCountChart extends Described {
  /** Measured: number of labels, accuracy and its interval. */
  readonly points: readonly {
    readonly labels: number
    readonly accuracy: number
    readonly low: number
    readonly high: number
  }[]
  /** The power law as accuracy, with its interval, over measured and extrapolated sizes. */
  readonly curve: readonly {
    readonly labels: number
    readonly accuracy: number
    readonly low: number
    readonly high: number
  }[]
  /** Sizes beyond this are extrapolated and drawn dashed. */
  readonly measuredTo: number
}

/** Accuracy against the number of labels on a logarithmic axis, with the fitted law and its band. */
export function labelCountChart(chart: LabelCountChart): string {
  const inside = chart.curve.filter((point) => point.labels <= chart.measuredTo)
  const beyond = chart.curve.filter((point) => point.labels >= (inside.at(-1)?.labels ?? 0))
  const all = [...chart.points, ...chart.curve].map((point) => point.labels)
  return draw(chart.description, {
    width: 480,
    height: 300,
    marginRight: 24,
    x: {
      type: 'log',
      label: 'Labels used for training',
      ticks: decades(Math.min(...all), Math.max(...all)),
      tickFormat: grouped,
    },
    y: { label: 'Accuracy', grid: true, tickFormat: axisPercent, nice: true, ticks: 6 },
    marks: [
      Plot.areaY(chart.curve, { x: 'labels', y1: 'low', y2: 'high', fill: seriesColour(0), fillOpacity: 0.14 }),
      Plot.lineY(inside, { x: 'labels', y: 'accuracy', stroke: seriesColour(0), strokeWidth: 2 }),
      Plot.lineY(beyond, {
        x: 'labels',
        y: 'accuracy',
        stroke: seriesColour(0),
        strokeWidth: 2,
        strokeDasharray: '5 4',
      }),
      Plot.ruleX(chart.points, { x: 'labels', y1: 'low', y2: 'high', stroke: 'currentColor' }),
      Plot.dot(chart.points, { x: 'labels', y: 'accuracy', fill: 'currentColor', r: 3.5 }),
      beyond.length < 2
        ? null
        : Plot.text([chart.measuredTo], {
            x: (d: number) => d,
            text: () => 'estimated →',
            frameAnchor: 'bottom',
            textAnchor: 'start',
            dx: 8,
            dy: -6,
            fill: MUTED,
          }),
      beyond.length > 1 ? Plot.ruleX([chart.measuredTo], { stroke: MUTED, strokeDasharray: '2 3' }) : null,
    ],
  })
}

const page = parseHTML('<!doctype html><html><body></body></html>')

/** A chart as SVG text with its accessible name, for the charts of other files. */
export function draw(description: string, options: Plot.PlotOptions): string {
  const svg = Plot.plot({
    document: page.document as unknown as Document,
    className: 'chart',
    style: { fontSize: '12px' },
    marginLeft: 48,
    marginTop: 26,
    marginBottom: 42,
    ...options,
    ariaLabel: description,
  })
  svg.setAttribute('role', 'img')
  for (const style of svg.querySelectorAll('style')) style.remove()
  return svg.outerHTML
    .replace(/[^\P{Cc}\t\n\r]/gu, '\uFFFD')
    .replace(/="[^"]*"/g, (attribute) => attribute.replace(/</g, '&lt;').replace(/(\d\.\d\d)\d+/g, '$1'))
}

/** Keeps labels at line ends at least 14 px apart, by moving the lower ones down. */
function spreadLabels<T extends Point>(
  ends: readonly T[],
  rows: readonly Point[],
  height: number,
  domain?: readonly [number, number],
): (T & { at: number })[] {
  const ys = rows.map((point) => point.y)
  const range = domain ? domain[1] - domain[0] : Math.max(...ys) - Math.min(...ys)
  const gap = (14 / (height - 68)) * (range || 1)
  let limit = Number.POSITIVE_INFINITY
  return [...ends]
    .sort((a, b) => b.y - a.y)
    .map((end) => {
      const at = Math.min(end.y, limit)
      limit = at - gap
      return { ...end, at }
    })
}

function rename({ low, high }: { low: number; high: number }): { least: number; most: number } {
  return { least: low, most: high }
}

/** 1, 2, 5 times powers of ten within a range; only the powers where it spans more than three of them. */
function decades(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low))
  const last = Math.ceil(Math.log10(high))
  const steps = last - first > 4 ? [1] : [1, 2, 5]
  const ticks: number[] = []
  for (let e = first; e <= last; e++) for (const step of steps) ticks.push(step * 10 ** e)
  return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001)
}

/** Room that the longest of some names takes at 12 px; wide enough for most system fonts. */
export function textWidth(names: readonly string[]): number {
  return Math.max(0, ...names.map((name) => [...name].reduce((sum, letter) => sum + (letter > '\u2e80' ? 13 : 6.6), 0)))
}

export function shorten(name: string, length: number): string {
  const letters = [...name]
  return letters.length <= length ? name : `${letters.slice(0, length - 1).join('')}…`
}

/** '87.5%', for an axis. */
export function axisPercent(value: number): string {
  return `${Number((100 * value).toFixed(1))}%`
}
