/**
 * The benchmarks: `npm run bench -- [NAME...] [options]`.
 *
 * Names: step, feature-extraction (measured against PyTorch, and the default), text (the same, an hour), few-texts, accuracy, operators,
 * adaptation (choosing without labels), adaptation-methods (every method by name), adaptation-network (whole network),
 * adaptation-steps (what a step of each method costs), multitask.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { benchAccuracy } from './accuracy.js'
import { benchAdaptation, benchAdaptationMethods, benchAdaptationNetwork } from './adaptation/index.js'
import { benchAdaptationSteps } from './adaptation/steps.js'
import { benchFeatureExtraction } from './featureExtraction.js'
import { benchMultitask } from './multitask/index.js'
import { benchOperators } from './operators.js'
import { benchStep } from './step.js'
import type { BenchSettings } from './support/settings.js'
import { benchFewTexts, benchText } from './text/index.js'

const BENCHMARKS: Readonly<Record<string, (settings: BenchSettings) => Promise<void>>> = {
  step: benchStep,
  'feature-extraction': benchFeatureExtraction,
  accuracy: benchAccuracy,
  operators: benchOperators,
  text: benchText,
  'few-texts': benchFewTexts,
  adaptation: benchAdaptation,
  'adaptation-methods': benchAdaptationMethods,
  'adaptation-network': benchAdaptationNetwork,
  'adaptation-steps': benchAdaptationSteps,
  multitask: benchMultitask,
}

const USAGE = `usage: npm run bench -- [${Object.keys(BENCHMARKS).join('|')}]... [options]
  --markdown      tables in Markdown
  --rounds N      how often each side runs, taking turns (5; of text and adaptation at most 3, a seed each;
                  of multitask seeds)
  --steps N       timed steps in each process (9)
  --batch N       photos a step (16)
  --nets A,B      networks of step: efficientnet-lite0, mobilenet_v2, resnet18, resnet50 (efficientnet-lite0)
  --epochs N      epochs of PyTorch's tutorial job (10), of accuracy's fine-tuning (5), of text (3) and of adaptation
  --only A,B      of adaptation: pairs of domains with one of these words in their name; of adaptation-steps: methods (all)
  --keep DIR      of multitask: keep what each process found there, and do not run it again (nothing is kept)
  --threads N     threads for the arithmetic, on both sides (the machine's cores)
  --data DIR      the folder that holds clothing, clothing-mini, clothing-tasks, sst2, pacs, digits, reviews and tweets (../shared/data)
PyTorch is run by GRAFT_PEERS_PYTHON, or by the environment that ../shared/peers/setup.sh makes.`

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`${text} is not a whole number of at least 1`)
  return value
}

function parse(): { names: readonly string[]; help: boolean; settings: BenchSettings } {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      rounds: text,
      steps: text,
      batch: text,
      nets: text,
      epochs: text,
      threads: text,
      data: text,
      only: text,
      keep: text,
    },
  })
  const unknown = positionals.filter((name) => !Object.hasOwn(BENCHMARKS, name))
  if (unknown.length > 0) throw new TypeError(`there is no benchmark ${unknown.join(', ')}`)
  return {
    names: positionals.length > 0 ? positionals : ['step', 'feature-extraction'],
    help: values.help,
    settings: {
      markdown: values.markdown,
      rounds: wholeNumber(values.rounds) ?? 5,
      steps: wholeNumber(values.steps) ?? 9,
      batch: wholeNumber(values.batch) ?? 16,
      threads: wholeNumber(values.threads) ?? availableParallelism(),
      epochs: wholeNumber(values.epochs),
      nets: (values.nets ?? 'efficientnet-lite0').split(','),
      only: values.only?.split(',') ?? [],
      keep: values.keep,
      data: values.data ?? '../shared/data',
    },
  }
}

/** What was asked for; undefined where it cannot be understood, which is then said. */
function parsed(): ReturnType<typeof parse> | undefined {
  try {
    return parse()
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    process.exitCode = 2
    return undefined
  }
}

const asked = parsed()
if (asked?.help) console.log(USAGE)
else if (asked)
  for (const name of asked.names) {
    await BENCHMARKS[name]!(asked.settings)
    console.log('')
  }
