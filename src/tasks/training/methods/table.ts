/**
 * Every method of fine-tuning that can be asked for by name: those that decide what trains (a few parameters of an adapter
 * instead of all weights), and those that add to how it trains. At most one of the first kind, any number of the second.
 */
import { UsageError } from '../../../base/errors.js'
import { nearestName } from '../../../base/nearest.js'
import { type AdapterMethod, adapterMethod } from '../../../models/adapters/index.js'
import { type MethodSpecification, methodText, type OptionValue, parseMethod } from './specification.js'

type Kind = 'number' | 'switch' | 'word' | 'patterns' | 'numbers'

export interface MethodEntry {
  readonly family: 'adapter' | 'addition'
  /** In a report. */
  readonly title: string
  /** One line for the documentation. */
  readonly summary: string
  readonly options: Readonly<Record<string, Kind>>
  /** The learning rate of AdamW where none is given: of adapters. */
  readonly rate?: number
}

const LOW_RANK = { rank: 'number', alpha: 'number', targets: 'patterns' } as const

export const METHODS = {
  lora: {
    family: 'adapter',
    title: 'LoRA',
    summary: 'two small matrices beside each chosen weight, merged into it in the end (Hu et al. 2021)',
    rate: 5e-4,
    options: LOW_RANK,
  },
  rslora: {
    family: 'adapter',
    title: 'rsLoRA',
    summary: 'LoRA with a scale that suits high ranks (Kalajdzievski 2023)',
    rate: 3e-4,
    options: LOW_RANK,
  },
  dora: {
    family: 'adapter',
    title: 'DoRA',
    summary: 'LoRA on the direction of a weight, its magnitude trained apart (Liu et al. 2024)',
    rate: 5e-4,
    options: LOW_RANK,
  },
  ia3: {
    family: 'adapter',
    title: 'IA3',
    summary: 'factors on keys, values and inner activations (Liu et al. 2022)',
    rate: 5e-3,
    options: { targets: 'patterns', feedForward: 'patterns' },
  },
  houlsby: {
    family: 'adapter',
    title: 'Houlsby adapters',
    summary: 'small bottleneck layers after attention and feed-forward units (Houlsby et al. 2019)',
    rate: 5e-4,
    options: { bottleneck: 'number', activation: 'word', norms: 'switch' },
  },
  bitfit: {
    family: 'adapter',
    title: 'BitFit',
    summary: 'only biases train (Ben Zaken et al. 2022)',
    rate: 1e-3,
    options: {},
  },
  'norm-tuning': {
    family: 'adapter',
    title: 'Norm-tuning',
    summary: 'only scales and shifts of normalisations train',
    rate: 1e-3,
    options: {},
  },
  'prompt-tuning': {
    family: 'adapter',
    title: 'Prompt tuning',
    summary: 'trained embeddings in front of the text (Lester et al. 2021)',
    rate: 1e-2,
    options: { tokens: 'number' },
  },
  'prefix-tuning': {
    family: 'adapter',
    title: 'Prefix tuning',
    summary: 'trained keys and values in every attention layer (Li and Liang 2021)',
    rate: 5e-3,
    options: { tokens: 'number' },
  },
  'l2-sp': {
    family: 'addition',
    title: 'L2-SP',
    summary: 'holds weights near the pretrained ones (Li et al. 2018)',
    options: { alpha: 'number', beta: 'number' },
  },
  delta: {
    family: 'addition',
    title: 'DELTA',
    summary: 'holds what inner layers see near what it was, by channel (Li et al. 2019)',
    options: { alpha: 'number', beta: 'number', maps: 'number', samples: 'number' },
  },
  bss: {
    family: 'addition',
    title: 'BSS',
    summary: 'shrinks the smallest singular values of the features (Chen et al. 2019)',
    options: { eta: 'number', k: 'number' },
  },
  'co-tuning': {
    family: 'addition',
    title: 'Co-Tuning',
    summary: "trains the backbone's own classifier on, by how its classes relate to yours (You et al. 2020)",
    options: { weight: 'number', temperature: 'number' },
  },
  'bi-tuning': {
    family: 'addition',
    title: 'Bi-Tuning',
    summary: 'contrastive losses on classifier and projector (Zhong et al. 2020)',
    options: { weight: 'number', temperature: 'number', width: 'number' },
  },
  'stochastic-norm': {
    family: 'addition',
    title: 'StochNorm',
    summary: 'batch norm by batch or moving statistics, channel by channel at random (Kou et al. 2020)',
    options: { probability: 'number' },
  },
  sam: {
    family: 'addition',
    title: 'SAM',
    summary: 'takes the gradient where the loss is highest nearby (Foret et al. 2021)',
    options: { rho: 'number' },
  },
  'wise-ft': {
    family: 'addition',
    title: 'WiSE-FT',
    summary: 'goes part of the way back to the weights it started from (Wortsman et al. 2022)',
    options: { alpha: 'number', candidates: 'numbers' },
  },
  distillation: {
    family: 'addition',
    title: 'Distillation',
    summary: 'learns from the answers of another model, `teacher`, besides the labels (Hinton et al. 2015)',
    options: { teacher: 'word', temperature: 'number', alpha: 'number' },
  },
  lwf: {
    family: 'addition',
    title: 'Learning without Forgetting',
    summary: 'keeps what a model that is trained further said before (Li and Hoiem 2016)',
    options: { temperature: 'number', weight: 'number' },
  },
  ewc: {
    family: 'addition',
    title: 'EWC',
    summary: 'holds the weights that mattered to a model that is trained further (Kirkpatrick et al. 2017)',
    options: { lambda: 'number', samples: 'number' },
  },
} as const satisfies Readonly<Record<string, MethodEntry>>

export type MethodName = keyof typeof METHODS

/** A method with checked options. */
export interface ChosenMethod {
  readonly name: MethodName
  readonly title: string
  readonly options: Readonly<Record<string, OptionValue>>
  /** The learning rate of AdamW that suits it; undefined leaves it to the kind of data. */
  readonly rate: number | undefined
  /** As it was written, in the one form. */
  readonly text: string
}

export interface ChosenMethods {
  /** What trains; undefined is every weight. */
  readonly adapter: (ChosenMethod & { readonly method: AdapterMethod }) | undefined
  readonly additions: readonly ChosenMethod[]
}

/** @throws UsageError for a name, an option or a combination that there is not */
export function chooseMethods(texts: readonly string[]): ChosenMethods {
  const chosen = texts.map((text) => chosenMethod(parseMethod(text)))
  const twice = chosen.find(({ name }, i) => chosen.findIndex((other) => other.name === name) !== i)
  if (twice) throw new UsageError(`The method ${twice.name} is named twice.`, { remedy: 'Name each method once.' })
  const adapters = chosen.filter(({ name }) => METHODS[name].family === 'adapter')
  if (adapters.length > 1)
    throw new UsageError(`${adapters.map(({ name }) => name).join(' and ')} both decide what trains.`, {
      remedy: 'Choose one of them; methods that add to the training may stand beside it.',
    })
  const [adapter] = adapters
  return {
    adapter: adapter && { ...adapter, method: adapterMethod(adapter.name, adapter.options) },
    additions: chosen.filter(({ name }) => METHODS[name].family === 'addition'),
  }
}

function chosenMethod(specification: MethodSpecification): ChosenMethod {
  const { name, options } = specification
  if (!isMethodName(name)) {
    const near = nearestName(name, Object.keys(METHODS))
    throw new UsageError(`There is no method "${name}".`, {
      remedy: near === undefined ? `Methods: ${Object.keys(METHODS).join(', ')}.` : `Did you mean ${near}?`,
    })
  }
  const entry: MethodEntry = METHODS[name]
  const checked: Record<string, OptionValue> = {}
  for (const [key, value] of Object.entries(options)) {
    const kind = entry.options[key]
    if (kind === undefined) {
      const known = Object.keys(entry.options)
      throw new UsageError(`${name} has no option "${key}".`, {
        remedy: known.length === 0 ? 'It has none.' : `Its options: ${known.join(', ')}.`,
      })
    }
    checked[key] = checkedValue(name, key, kind, value)
  }
  return { name, title: entry.title, options: checked, rate: entry.rate, text: methodText({ name, options: checked }) }
}

const isMethodName = (name: string): name is MethodName => Object.hasOwn(METHODS, name)

function checkedValue(name: string, key: string, kind: Kind, value: OptionValue): OptionValue {
  const refuse = (expected: string) =>
    new UsageError(`${name}: ${key} is "${[value].flat().join('|')}"; expected ${expected}.`)
  switch (kind) {
    case 'number':
      if (typeof value !== 'number') throw refuse('a number')
      return value
    case 'switch':
      if (typeof value !== 'boolean') throw refuse('true or false')
      return value
    case 'word':
      if (typeof value !== 'string') throw refuse('one word')
      return value
    case 'patterns':
      if (typeof value === 'number' || typeof value === 'boolean') throw refuse('names with | between them')
      return [value].flat()
    case 'numbers': {
      const all = [value].flat().map(String)
      if (all.some((part) => part === '' || !Number.isFinite(Number(part)))) throw refuse('numbers with | between them')
      return all
    }
  }
}
