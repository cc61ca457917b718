/**
 * The command line, made from the verbs' schemas: every option of the library is a flag, with the same names, bounds and
 * descriptions. Parsing ends in the options object that the library takes.
 */
import { readFile } from 'node:fs/promises'
import { Argument, Command, CommanderError, Option } from 'commander'
import type { z } from 'zod'
import { messageOf, UsageError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { VERSION } from '../base/version.js'
import {
  describeOptions,
  flagNaming,
  format,
  kebab,
  type OptionDescription,
  parseOptions,
  shownDefault,
  unknownOption,
} from '../tasks/schema.js'
import { splitList } from '../tasks/training/methods/specification.js'
import { VERBS, type Verb } from '../tasks/verbs.js'

/** What a verb is called with. */
export type Call = { [V in Verb]: VerbCall<V> }[Verb]

export interface VerbCall<V extends Verb> {
  readonly verb: V
  /** Checked, with defaults. */
  readonly options: z.output<(typeof VERBS)[V]['schema']>
  /** What was said on the command line or in the run file, without defaults. */
  readonly given: Readonly<Record<string, unknown>>
  /** One JSON object a line on standard output. */
  readonly json: boolean
}

const COMMON = ['json', 'config'] as const

/** Parses the arguments after `graft`; undefined where help or the version was asked for and printed. */
export async function parseCommandLine(argv: readonly string[]): Promise<Call | undefined> {
  const raw: { verb: Verb; values: Record<string, unknown>; positionals: unknown[] }[] = []
  const program = new Command('graft')
    .description('Transfer learning for ONNX models: make a pretrained network yours.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', '\nExample: graft train ./photos --out ./my-model\nHelp on one command: graft train --help')
  quiet(program)
  for (const verb of Object.keys(VERBS) as Verb[]) {
    // Describing a schema takes a while: only the verb that is called needs it.
    const command = argv.includes(verb) ? verbCommand(verb) : plainCommand(verb)
    command.action((...args: unknown[]) => {
      const positionals = args.slice(0, command.registeredArguments.length)
      raw.push({ verb, values: command.opts(), positionals })
    })
    program.addCommand(command)
  }
  if (argv.length === 0) {
    process.stdout.write(program.helpInformation())
    process.stdout.write('\nExample: graft train ./photos --out ./my-model\nHelp on one command: graft train --help\n')
    return undefined
  }
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return undefined
    throw usageError(error, argv)
  }
  const parsed = raw[0]
  if (!parsed) return undefined
  return toCall(parsed.verb, parsed.values, parsed.positionals)
}

function plainCommand(verb: Verb): Command {
  const { summary } = VERBS[verb]
  const command = new Command(verb)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
    .summary(summary)
  quiet(command)
  return command.helpOption('-h, --help', 'show this help').configureHelp({ sortOptions: false })
}

function verbCommand(verb: Verb): Command {
  const command = plainCommand(verb)
  for (const option of describeOptions(VERBS[verb].schema)) {
    if (option.positional) command.addArgument(argument(option))
    else for (const flag of flags(option)) command.addOption(flag)
  }
  command.addOption(new Option('--json', 'one JSON object a line on standard output').helpGroup('General:'))
  command.addOption(
    new Option(
      '--config <FILE>',
      'read options from a JSON file, such as the run.json of an earlier run; flags go before it',
    ).helpGroup('General:'),
  )
  return command
}

function quiet(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => undefined })
}

/** An argument may also come from the run file, so none is required here. */
function argument(option: OptionDescription): Argument {
  const many = option.flag.endsWith('...')
  const name = option.flag.replace('...', '')
  return new Argument(many ? `[${name}...]` : `[${name}]`, option.description)
}

function flags(option: OptionDescription): Option[] {
  const group = `${option.group}:`
  if (option.kind === 'boolean') {
    const yes = new Option(option.flag, option.description).helpGroup(group)
    const no = new Option(
      `--no-${kebab(option.key)}`,
      option.negated ? `do not ${option.description}` : option.description,
    ).helpGroup(group)
    // The other form is needed only to go against a run file.
    if (option.negated) yes.hideHelp()
    else no.hideHelp()
    return [yes, no]
  }
  const choices = option.kind === 'choice' ? `: ${option.choices.join(', ')}` : ''
  const fallback = shownDefault(option.default) ? ` (default: ${format(option.default)})` : ''
  const flag = new Option(
    `${option.flag} <${option.placeholder}>`,
    `${option.description}${choices}${fallback}`,
  ).helpGroup(group)
  if (option.kind === 'shapes' || option.repeatable)
    flag.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text])
  return [flag]
}

async function toCall(verb: Verb, values: Record<string, unknown>, positionals: readonly unknown[]): Promise<Call> {
  const { schema } = VERBS[verb]
  const described = describeOptions(schema)
  const given: Record<string, unknown> = {}
  described
    .filter((option) => option.positional)
    .forEach((option, i) => {
      const value = positionals[i]
      if (value !== undefined && !(Array.isArray(value) && value.length === 0)) given[option.key] = value
    })
  for (const option of described) {
    if (option.positional) continue
    const value = values[option.key]
    if (value !== undefined) given[option.key] = fromText(option, value)
  }
  const file = typeof values.config === 'string' ? await readConfig(values.config, verb, described) : {}
  const all = { ...file, ...given }
  // The verb and its schema belong together, which the compiler cannot follow through the table.
  return { verb, options: parseOptions(schema, all, flagNaming), given: all, json: values.json === true } as Call
}

/** The text after a flag as the option's type; what cannot be read is left for the schema to refuse. */
function fromText(option: OptionDescription, value: unknown): unknown {
  if (option.kind === 'shapes' && Array.isArray(value)) return sizesByName(option, value as readonly string[])
  if (option.repeatable && Array.isArray(value)) return (value as readonly string[]).flatMap(splitList)
  if (typeof value !== 'string') return value
  const number = (text: string) => (text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text))
  switch (option.kind) {
    case 'number':
    case 'integer':
      return number(value)
    case 'word-or-number':
      return option.choices.includes(value) ? value : number(value)
    case 'numbers':
      return value.split(',').map(number)
    case 'strings':
      return splitList(value)
    default:
      return value
  }
}

/** `image=1,3,224,224` and the like; a name may hold an equals sign itself. */
function sizesByName(option: OptionDescription, texts: readonly string[]): Record<string, number[]> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, sizes] = /^(.+)=([0-9]+(?:,[0-9]+)*|)$/s.exec(text) ?? []
      if (name === undefined || sizes === undefined)
        throw new UsageError(`${option.flag} is "${text}"; expected ${option.expected}.`)
      return [name, sizes === '' ? [] : sizes.split(',').map(Number)]
    }),
  )
}

async function readConfig(
  path: string,
  verb: Verb,
  described: readonly OptionDescription[],
): Promise<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new UsageError(`--config ${path}: cannot be read as JSON (${messageOf(error)}).`, {
      remedy: 'Give the run.json of an earlier run, or a JSON object of options.',
      cause: error,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(
      `--config ${path}: holds ${Array.isArray(value) ? 'an array' : String(value)}; expected an object of options.`,
    )
  // The version and the memory that was used are for readers.
  const { verb: written, version: _version, memoryUse: _memoryUse, ...options } = value as Record<string, unknown>
  if (written !== undefined && written !== verb)
    throw new UsageError(`--config ${path}: is for \`graft ${String(written)}\`, not \`graft ${verb}\`.`)
  for (const key of Object.keys(options))
    if (!described.some((option) => option.key === key))
      throw unknownOption(key, described, (option) => `option "${option.key}" in ${path}`)
  return options
}

function usageError(error: CommanderError, argv: readonly string[]): UsageError {
  const verb = argv.find((word) => Object.hasOwn(VERBS, word)) as Verb | undefined
  const help = { remedy: `See \`graft ${verb === undefined ? '' : `${verb} `}--help\`.` }
  if (error.code === 'commander.unknownOption') {
    const flag = /'([^']+)'/.exec(error.message)?.[1] ?? ''
    const known = verb === undefined ? ['--help', '--version'] : knownFlags(verb)
    const near = nearestName(flag, known)
    return new UsageError(
      `There is no ${flag}${verb === undefined ? '' : ` for \`graft ${verb}\``}.`,
      near === undefined ? help : { remedy: `Did you mean ${near}?` },
    )
  }
  if (error.code === 'commander.unknownCommand') {
    const word = /'([^']+)'/.exec(error.message)?.[1] ?? ''
    const near = nearestName(word, Object.keys(VERBS))
    return new UsageError(`There is no command "${word}".`, {
      remedy:
        near === undefined ? `Choose one of ${Object.keys(VERBS).join(', ')}.` : `Did you mean \`graft ${near}\`?`,
    })
  }
  const message = error.message.replace(/^error: /, '').replace(/\.$/, '')
  return new UsageError(`${message.charAt(0).toUpperCase()}${message.slice(1)}.`, help)
}

function knownFlags(verb: Verb): string[] {
  const own = describeOptions(VERBS[verb].schema).flatMap((option) => {
    if (option.positional) return []
    return option.kind === 'boolean' ? [option.flag, `--no-${kebab(option.key)}`] : [option.flag]
  })
  return [...own, ...COMMON.map((name) => `--${name}`), '--help']
}
