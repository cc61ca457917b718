/** A map of domains: a dot a sample, the classes written where most of their labelled samples lie. */
import * as Plot from '@observablehq/plot'
import { draw, seriesColour } from '../plots.js'
import type { Place } from './flatten.js'

export interface MapPoint extends Place {
  /** Index into the chart's domains. */
  readonly domain: number
  /** Index into the chart's classes; -1 where it is not known. */
  readonly label: number
}

export interface DomainMap {
  /** The finding in a sentence: becomes the drawing's accessible name. */
  readonly description: string
  /** The sources, then the target. */
  readonly domains: readonly string[]
  readonly classes: readonly string[]
  readonly points: readonly MapPoint[]
}

const SYMBOLS = ['circle', 'times', 'triangle', 'square'] as const
/** With more the names cover each other. */
const MOST_NAMES = 16

/** Dots by domain, in colour and in shape. */
export function domainMapChart({ description, domains, classes, points }: DomainMap): string {
  const names = classes.length <= MOST_NAMES ? middles(points, classes) : []
  const shown = domains.map((_, d) => points.filter(({ domain }) => domain === d))
  return draw(description, {
    width: 440,
    height: 380,
    marginLeft: 10,
    marginRight: 10,
    marginTop: 12,
    marginBottom: 12,
    x: { axis: null },
    y: { axis: null },
    marks: [
      ...shown.map((own, d) =>
        Plot.dot(own, {
          x: 'x',
          y: 'y',
          r: 2.6,
          symbol: SYMBOLS[d % SYMBOLS.length]!,
          ...(SYMBOLS[d % SYMBOLS.length] === 'times'
            ? { stroke: seriesColour(d), strokeOpacity: 0.75 }
            : { fill: seriesColour(d), fillOpacity: 0.55 }),
        }),
      ),
      Plot.text(names, {
        x: 'x',
        y: 'y',
        text: 'name',
        fontWeight: 600,
        fill: 'var(--ink, #1d1f23)',
        stroke: 'var(--ground, #fff)',
        strokeWidth: 4,
      }),
    ],
  })
}

/** The median place of the labelled samples of each class. */
function middles(points: readonly MapPoint[], classes: readonly string[]): (Place & { name: string })[] {
  return classes.flatMap((name, k) => {
    const own = points.filter(({ label }) => label === k)
    return own.length === 0 ? [] : [{ name, x: median(own.map(({ x }) => x)), y: median(own.map(({ y }) => y)) }]
  })
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
