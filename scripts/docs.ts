/** Writes the pages of docs that are made from the code: the options of every verb, and the operators. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { CANONICAL_OPSET, type Operator } from '#graft/ops/operator.js'
import { rows } from '#graft/ops/table.js'
import { NEWEST_OPSET, OLDEST_OPSET } from '#graft/passes/opset.js'
import { RESOLVED } from '#graft/passes/support.js'
import { describeOptions, optionsTable } from '#graft/tasks/schema.js'
import { VERBS, type Verb } from '#graft/tasks/verbs.js'
import { cases, WITHOUT_CASES } from '../test/ops/cases/index.js'
import { FIRST_OPSET, LAST_OPSET } from './opsets.js'

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

/** Every operator that is read, what becomes of its gradient, and how many tests hold it. */
export function operatorsPage(): string {
  const sorted = rows()
    .filter(({ domain, opType }) => domain !== '' || !RESOLVED.has(opType))
    .sort((a, b) => compare(a.domain, b.domain) || compare(a.opType, b.opType))
  const count = (kind: Operator['gradient']['kind']) =>
    sorted.filter(({ operator }) => operator.gradient.kind === kind).length
  const parts = [
    MADE,
    '# Operators',
    '',
    'What Graft reads in a model, and what trains through it: the table that the engine works by, with the number of its',
    `tests. ${sorted.length} operators; the gradient of ${count('rule') + count('expanded')} of them passes. \`graft inspect\` says it of a given model, \`graft check\``,
    'tries it on that model.',
    '',
    '**gradient** says what becomes of it:',
    '',
    '- **yes**: it passes, with respect to every floating-point input that has one.',
    '- **none**: the derivative is zero almost everywhere or does not exist; nothing in front of the operator learns from it.',
    '- **refused**: there is a derivative, and this version does not compute it. The operator may stand in the frozen part of',
    '  a network; training a weight in front of it is refused, with the reason.',
    '- **as others**: the operator is written as those when a model is read, and trains as they do.',
    '',
    'Control flow and sequences are **resolved**: replaced by what they stand for when a model is read, which trains as such. A',
    'function that the model itself defines is read as its nodes.',
    '',
    '**cases** counts uses of the operator, each with its own shapes and attributes, whose gradients the tests hold against central',
    'differences and whose results and shapes they hold against onnxruntime. **opsets** are those in which the operator exists and is',
    `read, of ${OLDEST_OPSET} to ${NEWEST_OPSET}; older and newer forms are rewritten to that of opset ${CANONICAL_OPSET}. Float types of other widths are computed in float32.`,
  ]
  for (const domain of new Set(sorted.map((row) => row.domain))) {
    parts.push(
      '',
      `## ${domain === '' ? 'The standard' : domain}`,
      '',
      '| operator | gradient | cases | opsets | notes |',
      '|---|---|---|---|---|',
    )
    for (const { opType, operator } of sorted.filter((row) => row.domain === domain)) {
      const own = cases.filter((one) => one.domain === domain && one.opType === opType).length
      const { answer, note } = gradientCells(operator.gradient)
      const notes = [note, WITHOUT_CASES.get(opType)].filter((text) => text !== undefined && text !== '')
      const opsets =
        domain === '' ? `${FIRST_OPSET[opType] ?? OLDEST_OPSET} to ${LAST_OPSET[opType] ?? NEWEST_OPSET}` : '1'
      parts.push(`| ${opType} | ${answer} | ${own === 0 ? '' : own} | ${opsets} | ${notes.join('; ')} |`)
    }
  }
  parts.push('', '## Resolved', '', '| operator | what becomes of it |', '|---|---|')
  for (const [opType, into] of [...RESOLVED].sort(([a], [b]) => compare(a, b))) parts.push(`| ${opType} | ${into} |`)
  return `${parts.join('\n')}\n`
}

function gradientCells(gradient: Operator['gradient']): { answer: string; note: string } {
  if (gradient.kind === 'rule') return { answer: 'yes', note: '' }
  if (gradient.kind === 'expanded') return { answer: 'as others', note: `as ${gradient.into}` }
  return { answer: gradient.kind === 'none' ? 'none' : 'refused', note: gradient.reason }
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
