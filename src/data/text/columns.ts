/**
 * Which column holds the texts, which the labels: by the user's word, by what columns are called by custom, else by what the
 * first rows hold. Every choice comes with its reason; where two would do as well, both are named and none is taken.
 */
import { list, splitNamed } from '../layout.js'
import { LABEL_NAMES, LABEL_WORDS, PAIR_NAMES, SPLIT_NAMES, TEXT_NAMES } from '../table/columnNames.js'
import {
  ambiguous,
  byTier,
  byWord,
  type ColumnQuery,
  type Columns,
  choice,
  columnNamed,
  missing,
  named,
} from './columnChoice.js'
import { type ColumnLook, lookAtColumns } from './columnLook.js'
import type { ColumnChoice } from './types.js'
import { chooseWordColumns } from './wordColumns.js'

/** @throws UsageError where a column that was named is not there, or where it cannot be told which one is meant */
export function chooseColumns(query: ColumnQuery): Columns {
  const { options } = query
  const looks = lookAtColumns(
    query.columns,
    query.rows.filter(({ fault }) => fault === undefined),
  )
  const words = chooseWordColumns(query, looks)
  if (words !== undefined) {
    const split = chooseSplit(query, looks, [words.text, ...words.labels])
    return {
      ...words,
      split: split?.column,
      choices: [...words.choices, ...(split === undefined ? [] : [split])],
      warnings: [],
    }
  }
  const [text, pair] = chooseTexts(query, looks)
  const taken = [text.column, ...(pair === undefined ? [] : [pair.column])]
  const split = chooseSplit(query, looks, taken)
  if (split !== undefined) taken.push(split.column)
  const labels = options.labels === false ? [] : chooseLabels(query, looks, taken)
  return {
    text: text.column,
    words: false,
    pair: pair?.column,
    labels: labels.map(({ column }) => column),
    split: split?.column,
    choices: [text, ...(pair === undefined ? [] : [pair]), ...labels, ...(split === undefined ? [] : [split])],
    warnings: split === undefined ? splitWarnings(query, looks, taken) : [],
  }
}

/** Columns that can hold texts. */
function textual(look: ColumnLook): boolean {
  return look.kind === 'text'
}

function chooseTexts(query: ColumnQuery, looks: readonly ColumnLook[]): [ColumnChoice, ColumnChoice | undefined] {
  const { options } = query
  const second = (column: string) =>
    typeof options.pair === 'string'
      ? named('pair', columnNamed(query, 'pair', options.pair))
      : pairFor(query, looks, column)
  if (options.text !== undefined) {
    const column = columnNamed(query, 'text', options.text)
    return [named('text', column), second(column)]
  }
  const pair = typeof options.pair === 'string' || options.pair === false ? undefined : pairByName(looks)
  if (pair !== undefined) {
    const why = `${pair.map(({ name }) => JSON.stringify(name)).join(' and ')} are read as a pair of texts, by their names.`
    return [choice('text', pair[0].name, why), choice('pair', pair[1].name, why)]
  }
  const free = looks.filter((look) => textual(look) && look.name !== options.pair && !said(query, look.name))
  const text =
    byTier(query, 'text', free, TEXT_NAMES) ?? byWord(query, 'text', free, TEXT_NAMES) ?? longest(query, free)
  return [text, second(text.column)]
}

/** Whether the user named the column for something else. */
function said({ options }: ColumnQuery, column: string): boolean {
  const labels =
    typeof options.label === 'string' ? options.label.split(',').map((name) => name.trim()) : (options.label ?? [])
  return column === options.split || column === options.label || labels.includes(column)
}

function pairByName(looks: readonly ColumnLook[]): [ColumnLook, ColumnLook] | undefined {
  for (const [first, second] of PAIR_NAMES) {
    const [a, b] = [first, second].map((name) => looks.find((look) => look.plain === name && textual(look)))
    if (a !== undefined && b !== undefined) return [a, b]
  }
  return undefined
}

/** The other half of a known pair, where the first half was named. */
function pairFor({ options }: ColumnQuery, looks: readonly ColumnLook[], column: string): ColumnChoice | undefined {
  if (options.pair === false) return undefined
  const pair = pairByName(looks)
  if (pair === undefined || pair[0].name !== column) return undefined
  return choice('pair', pair[1].name, `Second texts are read from ${JSON.stringify(pair[1].name)}, by its name.`)
}

/** By content: the only column of texts of several words, or the one whose texts are at least twice as long. */
function longest(query: ColumnQuery, looks: readonly ColumnLook[]): ColumnChoice {
  const found = looks.filter((look) => look.words >= 2).sort((a, b) => b.letters - a.letters)
  const [first, second] = found.length > 0 ? found : looks.length === 1 ? looks : []
  if (first === undefined) throw missing(query, 'text', looks)
  if (second !== undefined && second.letters * 2 > first.letters) throw ambiguous(query, 'text', found)
  const why = second === undefined ? 'the only column of texts' : 'the column with the longest texts'
  return choice('text', first.name, `Texts are read from ${JSON.stringify(first.name)}: ${why}.`)
}

function chooseLabels(query: ColumnQuery, looks: readonly ColumnLook[], taken: readonly string[]): ColumnChoice[] {
  const { options } = query
  if (options.label !== undefined) {
    const whole = typeof options.label === 'string' && query.columns.includes(options.label)
    const given =
      whole || typeof options.label !== 'string' ? options.label : options.label.split(',').map((name) => name.trim())
    return [given].flat().map((name) => named('label', columnNamed(query, 'label', name)))
  }
  const free = looks.filter((look) => !taken.includes(look.name) && look.filled > 0)
  const words = labelWords(query, free)
  if (words !== undefined) return [words]
  const fit = free.filter(labelLike)
  const flags = fit.filter((look) => look.kind === 'flag')
  const found = byTier(query, 'label', fit, LABEL_NAMES)
  if (found !== undefined) return [found]
  if (flags.length > 1 && flags.length === fit.length) return severalFlags(flags)
  const byPart = byWord(query, 'label', fit, LABEL_NAMES)
  if (byPart !== undefined) return [byPart]
  if (flags.length > 1) return severalFlags(flags)
  const repeated =
    free.length === 1 ? free : fit.filter((look) => look.distinct >= 2 && look.distinct <= Math.max(2, look.filled / 5))
  const [only, second] = repeated
  if (only === undefined) throw missing(query, 'label', free)
  if (second !== undefined) throw ambiguous(query, 'label', repeated)
  const why = free.length === 1 ? 'the only other column' : 'the only column of few, repeated values'
  return [choice('label', only.name, `Labels are read from ${JSON.stringify(only.name)}: ${why}.`)]
}

function severalFlags(flags: readonly ColumnLook[]): ColumnChoice[] {
  const why = `${list(
    flags.map(({ name }) => name),
    10,
  )} hold 0 and 1 only: each is read as a class that a text has or has not.`
  return flags.map(({ name }) => choice('label', name, why))
}

/** `label_text` beside `label`: the words are better names than the numbers, where each number has its word. */
function labelWords(query: ColumnQuery, looks: readonly ColumnLook[]): ColumnChoice | undefined {
  const numbers = looks.find(({ plain }) => plain === 'label')
  const words = looks.find(({ plain, kind }) => LABEL_WORDS.includes(plain) && kind === 'text')
  if (numbers === undefined || words === undefined) return undefined
  const pairs = new Set(query.rows.map(({ cells }) => JSON.stringify([cells[numbers.at], cells[words.at]])))
  if (pairs.size !== words.distinct || numbers.distinct !== words.distinct) return undefined
  const why = `Labels are read from ${JSON.stringify(words.name)}, which has a word for each number in ${JSON.stringify(numbers.name)}.`
  return choice('label', words.name, why)
}

/** Not a text: labels are short. */
function labelLike(look: ColumnLook): boolean {
  if (look.kind === 'text') return look.words <= 6 && look.letters <= 100
  return look.kind !== 'mixed' && look.kind !== 'empty'
}

function chooseSplit(
  query: ColumnQuery,
  looks: readonly ColumnLook[],
  taken: readonly string[],
): ColumnChoice | undefined {
  const { split } = query.options
  if (split === false) return undefined
  if (split !== undefined) return named('split', columnNamed(query, 'split', split))
  const found = splitLike(looks, taken).find((look) => namesParts(query, look))
  if (found === undefined) return undefined
  const why = `Parts (train, validation, test) are read from ${JSON.stringify(found.name)}, by its name and its values.`
  return choice('split', found.name, why)
}

function splitLike(looks: readonly ColumnLook[], taken: readonly string[]): ColumnLook[] {
  return looks.filter(({ plain, name, filled }) => SPLIT_NAMES.includes(plain) && !taken.includes(name) && filled > 0)
}

function namesParts({ rows }: ColumnQuery, { at }: ColumnLook): boolean {
  return rows.every(({ cells }) => {
    const cell = cells[at]
    return cell === null || cell === undefined || String(cell).trim() === '' || splitNamed(String(cell)) !== undefined
  })
}

function splitWarnings(query: ColumnQuery, looks: readonly ColumnLook[], taken: readonly string[]): string[] {
  if (query.options.split === false) return []
  return splitLike(looks, taken)
    .filter(({ plain }) => plain === 'split')
    .map(({ name, examples }) => {
      return `${JSON.stringify(name)} is not used as a split: it has values such as ${list(examples, 3)}, expected train, validation and test.`
    })
}
