/** The findings of a generalisation in the form that the report, the terminal and the model card show. */
import { VERSION } from '../../base/version.js'
import type { ClassEvaluation } from '../../evaluate/evaluation.js'
import { points } from '../../evaluate/format.js'
import type { ReportData, Reproduction } from '../../evaluate/report/data.js'
import { titledWarnings } from '../adaptation/reportData.js'
import type { Sources } from '../adaptation/sources.js'
import { countsAt } from '../training/divide.js'
import { resourcesOf, skippedOf } from '../training/reportParts.js'
import type { Stopwatch } from '../training/stopwatch.js'
import { POOLED, type Trial } from './compare.js'

export interface Findings {
  readonly sources: Sources
  readonly trials: readonly Trial[]
  readonly kept: number
  readonly reasons: readonly string[]
  /** Of the kept model, on held-out samples of all sources. */
  readonly evaluation: ClassEvaluation
  readonly reproduction: Reproduction
  readonly threads: number
  readonly watch: Stopwatch
}

export function generalisationReport(findings: Findings): ReportData {
  const { sources, trials, kept, reasons, evaluation, reproduction, threads, watch } = findings
  const { sources: places, classes, modality } = sources
  const names = places.map(({ name }) => name)
  const faults = places.flatMap(({ data }) => data.skipped.filter(({ kind }) => kind !== 'other-file'))
  return {
    title: `${names.join(' + ')} → anywhere`,
    nouns: modality.nouns,
    summary: `${trials[kept]!.title}, learnt from labelled ${modality.nouns.many} of ${names.join(', ')}, for places that are not known yet.`,
    footer: `graft-ml ${VERSION}`,
    classes,
    evaluation: { ...evaluation, split: 'held-out (of the known places)' },
    generalisation: {
      places: names.map((name, i) => ({ name, n: trials[0]!.found.domains[i]!.n })),
      reasons,
      rows: trials.map(({ name, title, method, found, gain, seconds }, i) => ({
        name,
        title,
        paper: method?.paper,
        kept: i === kept,
        places: found.domains.map(({ accuracy }) => accuracy),
        mean: found.mean,
        gain,
        seconds,
      })),
    },
    resources: resourcesOf(watch, threads),
    warnings: titledWarnings(sources.warnings),
    data: {
      source: places.map(({ data, name }) => data.origin ?? name).join(', '),
      splits: places.flatMap(({ name, data, train, heldOut }) => [
        { name: `${name}, trains`, counts: countsAt(data.targets, train), total: train.length },
        { name: `${name}, held out`, counts: countsAt(data.targets, heldOut), total: heldOut.length },
      ]),
    },
    ...skippedOf(faults),
    reproduction,
  }
}

/** How the choice came about. */
export function reasonsOf(trials: readonly Trial[], kept: number, places: number): string[] {
  if (places < 3)
    return [
      'With one of two sources left out there is one to learn from, and nothing that a method could compare: all sources together is kept.',
    ]
  const { title, name, gain } = trials[kept]!
  if (name !== POOLED && gain !== undefined)
    return [
      `${title} is right on ${points(gain.difference)} points more of places that it has not seen than all sources together (95 % interval ${points(gain.low)} to ${points(gain.high)}).`,
    ]
  const best = trials
    .slice(1)
    .reduce<Trial | undefined>(
      (top, own) => (top?.gain === undefined || own.gain!.difference > top.gain.difference ? own : top),
      undefined,
    )
  if (best?.gain === undefined) return []
  return [
    `No method is credibly better on places that were left out than all sources together: the best, ${best.title}, by ${points(best.gain.difference)} points (95 % interval ${points(best.gain.low)} to ${points(best.gain.high)}).`,
  ]
}
