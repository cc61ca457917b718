/** What was measured of a shift, in words. */

import { list } from '../../data/layout.js'
import { percent } from '../../evaluate/format.js'
import type { ShiftReport } from '../../evaluate/report/shiftData.js'
import type { Shift } from '../../evaluate/shift/index.js'

export function shiftFindings(
  found: Shift,
  classes: readonly string[],
  source: string,
  target: string,
): Pick<ShiftReport, 'verdict' | 'measures' | 'classes' | 'classNote'> {
  const { proxyADistance, mmd, energy, labelShift } = found
  const { distance } = proxyADistance
  return {
    verdict: verdictOf(found, source, target),
    measures: [
      {
        title: 'Proxy A-distance',
        value: distance,
        interval: proxyADistance.interval,
        says: `A classifier tells ${percent(1 - proxyADistance.error, 0)} of samples apart that it has not seen; at 0 it guesses, at 2 it is always right.`,
        paper: 'Ben-David, Blitzer, Crammer, Pereira 2006, Analysis of Representations for Domain Adaptation, NeurIPS',
      },
      {
        title: 'MMD',
        value: mmd.statistic,
        pValue: mmd.pValue,
        says: significance(mmd.pValue),
        paper: 'Gretton, Borgwardt, Rasch, Schölkopf, Smola 2012, A Kernel Two-Sample Test, JMLR 13',
      },
      {
        title: 'Energy distance',
        value: energy.statistic,
        pValue: energy.pValue,
        says: significance(energy.pValue),
        paper: 'Székely, Rizzo 2013, Energy statistics: A class of statistics based on distances, JSPI 143',
      },
    ],
    classes: classes.flatMap((name, k) => {
      if (labelShift === undefined) return []
      const moved = found.classes?.[k]
      return [
        {
          name,
          source: labelShift.prior[k]!,
          target: labelShift.blackBox[k]!,
          interval: labelShift.intervals[k],
          moved: moved?.distance,
          significant: moved?.moved,
        },
      ]
    }),
    classNote: labelShift === undefined ? undefined : noteOf(found, classes),
  }
}

function verdictOf({ found, proxyADistance: { distance } }: Shift, source: string, target: string): string {
  if (!found)
    return `No difference between ${source} and ${target} was found that chance would not make as well. A model trained on the one should do on the other; adapting has little to gain.`
  const how = distance > 1.5 ? 'hardly overlap' : distance > 0.8 ? 'differ clearly' : 'differ, but overlap'
  return `${source} and ${target} ${how} (a classifier's proxy A-distance is ${distance.toFixed(2)} of 2). A model trained on the one may do worse on the other: adapt it, and look at the samples below.`
}

function significance(p: number): string {
  return p <= 0.05
    ? 'More than chance would make of two samples of one kind.'
    : 'No more than chance would make of two samples of one kind.'
}

function noteOf({ labelShift, classes: moved }: Shift, classes: readonly string[]): string {
  if (labelShift === undefined) return ''
  const { consistency, moved: changed } = labelShift
  const shares =
    changed.length === 0
      ? 'No share of a class differs more than chance allows.'
      : `The shares of ${list(changed.map((k) => classes[k] ?? ''))} differ.`
  const trust = consistency.labelShiftExplains
    ? 'That classes became more or less frequent would explain what was found.'
    : 'More than the shares of classes changed, so that these estimates are not to be trusted far.'
  const far = (moved ?? []).filter((one) => one.moved).map((one) => classes[one.class] ?? '')
  const places =
    far.length === 0
      ? ''
      : ` In the features ${list(far)} moved; the distance is in typical deviations of a sample from its class.`
  return `${shares} ${trust}${places} Classes of the target are those that a model of the source takes its samples for.`
}
