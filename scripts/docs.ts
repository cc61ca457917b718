/** Writes the pages of docs that are made from the code: the options of every verb, and the operators. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Operator } from '#graft/ops/operator.js'
import { rows } from '#graft/ops/table.js'
import { describeOptions, optionsTable } from '#graft/tasks/schema.js'
import { VERBS, type Verb } from '#graft/tasks/verbs.js'

const MADE = '<!-- Made from the code by `npm run docs`. -->'

/** Every option of every verb, from the schemas that the library and the command line check with. */
export function optionsPage(): string {
  const parts = [
    MADE,
    '# Options',
    '',
    'Every option has one name in the library (`weightDecay`), the run file (`"weightDecay"`) and, with a flag, on the',
    'command line (`--weight-decay`). A switch is turned off by its `--no-` form. Every verb also takes:',
    '',
    '| flag | what it does |',
    '|---|---|',
    '| `--json` | one JSON object a line on standard output |',
    '| `--config FILE` | read options from a JSON file, such as the `run.json` of an earlier run; flags go before it |',
    '| `--help` | show all this in the terminal |',
    '',
  ]
  for (const verb of Object.keys(VERBS) as Verb[]) {
    const { schema, summary } = VERBS[verb]
    const args = describeOptions(schema).filter((option) => option.positional)
    const usage = ['graft', verb, ...args.map((a) => (a.required ? a.flag : `[${a.flag}]`)), '[options]'].join(' ')
    parts.push(
      `## graft ${verb}`,
      '',
      `${capital(summary)}: \`${usage}\``,
      '',
      optionsTable(schema).replaceAll('<', '&lt;'),
    )
  }
  return `${parts.join('\n').trimEnd()}\n`
}

/** Every operator that is read, and what becomes of its gradient. */
export function operatorsPage(): string {
  const parts = [
    MADE,
    '# Operators',
    '',
    'What Graft can read in a model, and what can train through it. Every operator between the pixels and the features of a',
    'backbone must be among these; what its old head is made of does not matter. `graft inspect` says it of a given model.',
    '',
    '- **yes**: the gradient passes through, with respect to every floating-point input that has one.',
    '- **none**: the derivative is zero almost everywhere or does not exist; nothing in front of the operator learns from it.',
    '- **refused**: there is a derivative, and this version does not compute it. The operator may stand in the frozen part of',
    '  a network; training a weight in front of it is refused, with the reason.',
    '- **as others**: the operator is written as those when a model is read, and trains as they do.',
    '',
    '| operator | gradient | why |',
    '|---|---|---|',
  ]
  const sorted = rows().sort((a, b) => compare(a.domain, b.domain) || compare(a.opType, b.opType))
  for (const { domain, opType, operator } of sorted) {
    const name = domain === '' ? opType : `${domain}.${opType}`
    parts.push(`| ${name} | ${gradientCells(operator.gradient)} |`)
  }
  return `${parts.join('\n')}\n`
}

function gradientCells(gradient: Operator['gradient']): string {
  if (gradient.kind === 'rule') return 'yes | '
  if (gradient.kind === 'expanded') return `as ${gradient.into} | `
  return `${gradient.kind === 'none' ? 'none' : 'refused'} | ${gradient.reason}`
}

/** The pages by their path. */
export const PAGES: Readonly<Record<string, () => string>> = {
  'docs/options.md': optionsPage,
  'docs/operators.md': operatorsPage,
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename)
  for (const [path, page] of Object.entries(PAGES)) {
    await writeFile(path, page())
    console.log(path)
  }
