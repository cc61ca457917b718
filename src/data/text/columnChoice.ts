/** What the choice of columns is made of: a question, an answer with its reason, and the refusals. */
import { UsageError } from '../../base/errors.js'
import { list } from '../layout.js'
import { plainName } from '../table/columnNames.js'
import type { TableRow } from '../table/table.js'
import type { ColumnLook } from './columnLook.js'
import type { TextsOptions } from './options.js'
import type { ColumnChoice, ColumnRole } from './types.js'

/** Which columns of a table are read as what, by name. */
export interface Columns {
  /** The texts; the lists of words where words are labelled. */
  readonly text: string
  readonly words: boolean
  readonly pair: string | undefined
  /** None; one; or several of 0 and 1. */
  readonly labels: readonly string[]
  readonly split: string | undefined
  readonly choices: readonly ColumnChoice[]
  readonly warnings: readonly string[]
}

export interface ColumnQuery {
  /** What the table is called in messages. */
  readonly name: string
  readonly columns: readonly string[]
  /** Its first rows. */
  readonly rows: readonly TableRow[]
  readonly options: TextsOptions
}

/** The column of a name, exactly or but for case, spaces and punctuation. */
export function columnNamed(query: ColumnQuery, role: ColumnRole, wanted: string): string {
  if (query.columns.includes(wanted)) return wanted
  const near = query.columns.filter((column) => plainName(column) === plainName(wanted))
  if (near.length === 1) return near[0]!
  throw new UsageError(
    `${query.name}: no column ${JSON.stringify(wanted)} (${role}); found ${list(query.columns, 20)}`,
    {
      remedy: 'Name one of these.',
    },
  )
}

export function choice(role: ColumnRole, column: string, why: string, guessed = true): ColumnChoice {
  return { role, column, guessed, why }
}

export function named(role: ColumnRole, column: string): ColumnChoice {
  return choice(role, column, `${WHAT[role]} are read from ${JSON.stringify(column)}, as was said.`, false)
}

const WHAT: Readonly<Record<ColumnRole, string>> = {
  text: 'Texts',
  pair: 'Second texts',
  label: 'Labels',
  split: 'Parts (train, validation, test)',
  words: 'Words',
  'word-labels': 'Labels of words',
}

/** The first tier of names that the table has decides. */
export function byTier(
  query: ColumnQuery,
  role: 'text' | 'label',
  looks: readonly ColumnLook[],
  tiers: readonly (readonly string[])[],
): ColumnChoice | undefined {
  for (const tier of tiers) {
    const found = looks.filter((look) => tier.includes(look.plain))
    if (found.length > 1) throw ambiguous(query, role, found)
    if (found.length === 1)
      return choice(role, found[0]!.name, `${WHAT[role]} are read from ${JSON.stringify(found[0]!.name)}, by its name.`)
  }
  return undefined
}

/** Names that hold a usual one as a word: `Review Text`, `customer_message`, `airline_sentiment`. */
export function byWord(
  query: ColumnQuery,
  role: 'text' | 'label',
  looks: readonly ColumnLook[],
  tiers: readonly (readonly string[])[],
): ColumnChoice | undefined {
  for (const tier of tiers) {
    const found = looks.filter((look) => wordsOf(look.name).some((word) => tier.includes(word)))
    if (found.length > 1) throw ambiguous(query, role, found)
    if (found.length === 1)
      return choice(
        role,
        found[0]!.name,
        `${WHAT[role]} are read from ${JSON.stringify(found[0]!.name)}, by a word in its name.`,
      )
  }
  return undefined
}

function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
}

const FLAG: Readonly<Record<'text' | 'label', string>> = { text: '--text', label: '--label' }

export function ambiguous(query: ColumnQuery, role: 'text' | 'label', found: readonly ColumnLook[]): UsageError {
  const shown = found.map(({ name, examples }) => `\n  ${name}: ${examples.join(' · ')}`)
  return new UsageError(`${query.name}: several columns could be the ${role}s:${shown.join('')}`, {
    remedy: `Say which one: ${FLAG[role]} ${JSON.stringify(found[0]!.name)}.`,
  })
}

export function missing(query: ColumnQuery, role: 'text' | 'label', looks: readonly ColumnLook[]): UsageError {
  const shown = looks.map(({ name, examples }) => `\n  ${name}: ${examples.join(' · ')}`).join('')
  return new UsageError(`${query.name}: no column of ${role}s found among ${list(query.columns, 20)}${shown}`, {
    remedy: `Say which one it is with ${FLAG[role]}, or call it ${role}.`,
  })
}
