/** From the labels as they stand in the data to targets: of which kind they are, what the classes are called, and why. */
import { GraftError, UsageError } from '../../base/errors.js'
import { likeness } from '../datasetWarnings.js'
import { list } from '../layout.js'
import type { Targets } from '../targets.js'
import type { LabelColumn, LabelValue } from './labelColumn.js'
import { type FoundKind, kindOfLabels, partsOf, separatorOf } from './labelKind.js'
import type { TargetKind, TextsOptions } from './options.js'
import { lowToHigh } from './scales.js'

export interface LabelQuery {
  /** The column, or the columns of 0 and 1. */
  readonly name: string
  readonly options: Pick<TextsOptions, 'target' | 'classes' | 'labelSeparator' | 'normaliseLabels'>
  /** Names of numbered classes that the data gives. */
  readonly classNames?: readonly string[] | undefined
  /** There is a column of 0 and 1 for each class. */
  readonly columnEach?: boolean | undefined
  /** One task of several: a row without a label is not known, and sentences call the samples so. */
  readonly task?: { readonly name: string; readonly one: string; readonly many: string } | undefined
}

export interface UnderstoodLabels {
  readonly targets: Targets
  /** A sentence: what the labels are, why, and how to have it otherwise. */
  readonly note: string
  readonly warnings: readonly string[]
}

/** The classes of one value: positions in `classes`; undefined where it means that there is no label. */
type Meaning = readonly string[] | undefined

/**
 * @throws UsageError where the labels are not of the kind asked for; GraftError where a label is not among the classes
 */
export function understandLabels(column: LabelColumn, query: LabelQuery): UnderstoodLabels {
  const found = findKind(column, query)
  if (found.kind === 'number') return numberTargets(column, query, found)
  const warnings: string[] = []
  const separator = found.kind === 'multi-label' ? (query.options.labelSeparator ?? found.separator) : undefined
  const canonical =
    query.classNames === undefined &&
    column.values.every(({ number, list }) => number !== undefined && list === undefined)
  const meanings = column.values.map((value) => meaningOf(value, query, found, separator, canonical))
  const merged = query.options.normaliseLabels === true ? merge(column.values, meanings, warnings) : meanings
  const classes = classesOf(query, merged, found)
  const at = new Map(classes.map((name, i) => [name, i]))
  const why = `${found.why}${otherwise(found.kind, query)}`
  const note = `${JSON.stringify(query.name)} ${whatOf(found.kind, query)} (${list(classes, 12)}): ${why}.`
  if (found.kind === 'multi-label') {
    const labels = new Uint8Array(column.rows.length * classes.length)
    let none = 0
    for (const [row, position] of column.rows.entries()) {
      const names = position === -1 ? [] : (merged[position] ?? [])
      if (names.length === 0 && query.task === undefined) none++
      for (const name of names) labels[row * classes.length + at.get(name)!] = 1
    }
    if (none > 0)
      warnings.push(`${none} ${none === 1 ? 'text has' : 'texts have'} no label: taken as none of the classes.`)
    return { targets: { kind: 'multi-label', classes, labels }, note, warnings }
  }
  const index = merged.map((names) => (names === undefined ? -1 : at.get(names[0]!)!))
  const labels = column.rows.map((position) => (position === -1 ? -1 : index[position]!))
  return { targets: { kind: found.kind, classes, labels }, note, warnings }
}

function whatOf(kind: FoundKind['kind'], { task }: LabelQuery): string {
  const one = task?.one ?? 'text'
  switch (kind) {
    case 'single-label':
      return `has one class a ${one}`
    case 'ordinal':
      return `has one class a ${one}, ordered from low to high`
    case 'multi-label':
      return `has any number of classes a ${one}`
    case 'number':
      return 'is a number'
  }
}

const OTHERS: Readonly<Partial<Record<TargetKind, readonly string[]>>> = {
  ordinal: ['number', 'single-label'],
  number: ['ordinal', 'single-label'],
  'multi-label': ['single-label'],
}

function otherwise(kind: TargetKind, { options, task }: LabelQuery): string {
  const others = OTHERS[kind]
  if (options.target !== undefined || others === undefined) return ''
  const flag = task === undefined ? '--target ' : `--types ${task.name}=`
  return ` (${flag}${others.join(' or ')} reads it otherwise)`
}

function findKind(column: LabelColumn, query: LabelQuery): FoundKind {
  const { target, labelSeparator } = query.options
  const { values, numbers } = column
  const separator = labelSeparator === undefined ? {} : { separator: labelSeparator }
  if (query.columnEach === true) {
    if (target === undefined || target === 'multi-label')
      return { kind: 'multi-label', why: 'there is a column for each' }
    throw new UsageError(`${query.name}: several columns of labels, which target: "${target}" does not read`, {
      remedy: 'Use target: "multi-label", or name one column with --label.',
    })
  }
  if (numbers !== undefined) {
    if (target === undefined || target === 'number')
      return { kind: 'number', why: 'there are very many different numbers' }
    throw new UsageError(`${JSON.stringify(query.name)} has too many different values for ${target}`, {
      remedy: 'Use target: "number", or another column.',
    })
  }
  if (target === undefined) {
    if (labelSeparator !== undefined) return { kind: 'multi-label', why: 'a separator was named', ...separator }
    return kindOfLabels(query.name, values, query.classNames)
  }
  const why = 'as was said'
  switch (target) {
    case 'multi-label': {
      const guessed = values.some((value) => value.list !== undefined) ? undefined : separatorOf(values)
      return { kind: target, why, ...(guessed === undefined ? {} : { separator: guessed }), ...separator }
    }
    case 'number': {
      const other = values.find(({ number }) => number === undefined)
      if (other === undefined) return { kind: target, why }
      throw new UsageError(
        `${JSON.stringify(query.name)}: ${JSON.stringify(other.text)} is no number, which target: "number" needs`,
        {
          remedy: 'Correct it, or name another target or column.',
        },
      )
    }
    case 'token-labels':
      throw new UsageError(`${JSON.stringify(query.name)}: labels of words need a column of lists of words beside it`, {
        remedy: 'Give CoNLL, or the columns tokens and ner_tags.',
      })
    default: {
      const several = values.find(({ list: items }) => items !== undefined && items.length !== 1)
      if (several === undefined) return { kind: target, why }
      throw new UsageError(
        `${JSON.stringify(query.name)}: ${several.text} is not one label, which target: "${target}" needs`,
        {
          remedy: 'Use target: "multi-label".',
        },
      )
    }
  }
}

function numberTargets(column: LabelColumn, query: LabelQuery, found: FoundKind): UnderstoodLabels {
  const values =
    column.numbers ??
    Float64Array.from(column.rows, (position) => (position === -1 ? Number.NaN : column.values[position]!.number!))
  const endless = values.findIndex((value) => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
  if (endless !== -1)
    throw new GraftError(`${JSON.stringify(query.name)} holds an infinite number`, { remedy: 'Correct it.' })
  const note = `${JSON.stringify(query.name)} is a number: ${found.why}${otherwise('number', query)}.`
  return { targets: { kind: 'number', name: query.name, values }, note, warnings: [] }
}

/** @param canonical all values are numbers: 1 and 1.0 are one class */
function meaningOf(
  value: LabelValue,
  query: LabelQuery,
  found: FoundKind,
  separator: string | undefined,
  canonical: boolean,
): Meaning {
  const several = value.list ?? (separator === undefined ? undefined : partsOf(value.text, separator))
  if (several !== undefined && (found.kind === 'multi-label' || value.list !== undefined)) {
    return several.map((item) => className(item, query)).filter((name) => name !== undefined)
  }
  const name = canonical ? String(value.number) : className(value.text, query)
  return name === undefined ? undefined : [name]
}

/** The name of a numbered class; -1 stands for no label, as in the data sets of the Hub. */
function className(text: string, { classNames, name }: LabelQuery): string | undefined {
  if (classNames === undefined || classNames.includes(text)) return text
  const number = Number(text)
  if (number === -1) return undefined
  const found = classNames[number]
  if (found !== undefined) return found
  throw new GraftError(
    `${JSON.stringify(name)}: label ${JSON.stringify(text)}, expected a number below ${classNames.length} (${list(classNames)})`,
    {
      remedy: 'Correct the label, or the names of the classes in the description of the data.',
    },
  )
}

function classesOf(query: LabelQuery, meanings: readonly Meaning[], found: FoundKind): string[] {
  const seen = [...new Set(meanings.flatMap((names) => names ?? []))]
  const given = query.options.classes ?? query.classNames
  if (given !== undefined) {
    const unknown = seen.filter((name) => !given.includes(name))
    if (unknown.length === 0) return [...given]
    throw new GraftError(
      `${JSON.stringify(query.name)}: the classes ${list(unknown)} are not among ${list(given, 10)}`,
      {
        remedy: 'Rename these labels to the classes of the model, or leave them out.',
      },
    )
  }
  const ordered = lowToHigh(seen)
  if (found.kind === 'ordinal') {
    if (ordered !== undefined) return ordered
    throw new UsageError(`${JSON.stringify(query.name)}: the order of ${list(seen, 10)} is not known`, {
      remedy: 'Say it from low to high: classes: ["low", "medium", "high"].',
    })
  }
  const numbers = seen.every((name) => /^\s*[+-]?\d/.test(name))
  return numbers && ordered !== undefined ? ordered : seen.sort()
}

/** Labels that differ only by case or space, under the most frequent spelling. */
function merge(values: readonly LabelValue[], meanings: readonly Meaning[], warnings: string[]): Meaning[] {
  const counts = new Map<string, number>()
  for (const [i, names] of meanings.entries())
    for (const name of names ?? []) counts.set(name, (counts.get(name) ?? 0) + values[i]!.count)
  const spelling = new Map<string, string>()
  for (const [name, count] of counts) {
    const best = spelling.get(likeness(name))
    if (best === undefined || count > counts.get(best)!) spelling.set(likeness(name), name)
  }
  const changed = [...counts.keys()].filter((name) => spelling.get(likeness(name)) !== name)
  if (changed.length > 0) {
    const shown = changed.map((name) => `${JSON.stringify(name)} as ${JSON.stringify(spelling.get(likeness(name)))}`)
    warnings.push(`Labels that differ only by case or space are taken for the same: ${list(shown)}.`)
  }
  return meanings.map((names) =>
    names === undefined ? undefined : [...new Set(names.map((name) => spelling.get(likeness(name))!))],
  )
}
