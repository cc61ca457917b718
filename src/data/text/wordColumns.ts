/** Columns of lists of words and of their labels, for the labelling of words. */
import { UsageError } from '../../base/errors.js'
import { WORD_LABEL_NAMES, WORDS_NAMES } from '../table/columnNames.js'
import { isTag } from './bio.js'
import { type ColumnQuery, type Columns, choice, columnNamed, named } from './columnChoice.js'
import type { ColumnLook } from './columnLook.js'
import type { ColumnChoice } from './types.js'

/**
 * Undefined where the table is not of that kind: no column of lists of words with a column of lists as long beside it. Then
 * lists are labels of whole texts.
 */
export function chooseWordColumns(
  query: ColumnQuery,
  looks: readonly ColumnLook[],
): Omit<Columns, 'split' | 'warnings'> | undefined {
  const { options } = query
  if (options.target !== undefined && options.target !== 'token-labels') return undefined
  const words = wordsColumn(query, looks)
  if (words === undefined) return undefined
  const beside = looks.filter((look) => look !== words && sameLengths(query, words, look))
  const chosen = typeof options.label === 'string' ? columnNamed(query, 'label', options.label) : undefined
  const label =
    options.labels === false ? undefined : chosen === undefined ? tags(query, beside) : named('word-labels', chosen)
  if (label === undefined && options.labels !== false) {
    if (options.target === undefined) return undefined
    throw new UsageError(
      `${query.name}: no column of lists with a label for each word of ${JSON.stringify(words.name)}`,
      {
        remedy: 'Name it with --label.',
      },
    )
  }
  const text =
    options.text === undefined
      ? choice('words', words.name, `Words are read from ${JSON.stringify(words.name)}, a list a text.`)
      : named('words', words.name)
  return {
    text: words.name,
    words: true,
    pair: undefined,
    labels: label === undefined ? [] : [label.column],
    choices: label === undefined ? [text] : [text, label],
  }
}

function wordsColumn(query: ColumnQuery, looks: readonly ColumnLook[]): ColumnLook | undefined {
  const { text } = query.options
  const column = text === undefined ? undefined : columnNamed(query, 'text', text)
  const lists = looks.filter((look) => look.kind === 'words' && (column === undefined || look.name === column))
  return lists.find(({ plain }) => WORDS_NAMES.includes(plain)) ?? (column === undefined ? undefined : lists[0])
}

function sameLengths({ rows }: ColumnQuery, words: ColumnLook, other: ColumnLook): boolean {
  if (other.kind !== 'words' && other.kind !== 'numbers') return false
  // A few rows may be at fault; these are named when they are read.
  const lists = rows.filter(({ cells }) => Array.isArray(cells[words.at]) && Array.isArray(cells[other.at]))
  const equal = lists.filter(({ cells }) => (cells[words.at] as []).length === (cells[other.at] as []).length)
  return lists.length > 0 && equal.length > lists.length / 2
}

/** By name; else the last column of tags (`B-PER`), else the only or the last one. */
function tags({ rows }: ColumnQuery, looks: readonly ColumnLook[]): ColumnChoice | undefined {
  for (const tier of WORD_LABEL_NAMES) {
    const found = looks.find(({ plain }) => tier.includes(plain))
    if (found !== undefined)
      return choice(
        'word-labels',
        found.name,
        `Labels of words are read from ${JSON.stringify(found.name)}, by its name.`,
      )
  }
  const tagged = looks.filter(({ at }) =>
    rows.every(({ cells }) => (cells[at] as readonly unknown[] | undefined)?.every(isTag) ?? true),
  )
  const last = tagged.at(-1)
  if (last !== undefined)
    return choice(
      'word-labels',
      last.name,
      `Labels of words are read from ${JSON.stringify(last.name)}: ${tagged.length === 1 ? 'its' : 'the last whose'} labels begin with B-, I- or are O.`,
    )
  const only = looks.at(-1)
  if (only === undefined) return undefined
  return choice(
    'word-labels',
    only.name,
    `Labels of words are read from ${JSON.stringify(only.name)}, the ${looks.length === 1 ? 'only' : 'last'} list beside the words.`,
  )
}
