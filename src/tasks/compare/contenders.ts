/** What is compared: a classifier, a schedule, or methods of fine-tuning, by name; several methods with `+` between them. */
import { UsageError } from '../../base/errors.js'
import { nearestName } from '../../base/nearest.js'
import { parseMethod } from '../training/methods/specification.js'
import { chooseMethods, METHODS } from '../training/methods/table.js'
import { CLASSIFIERS, TECHNIQUES, type TrainInput, TUNING_SCHEDULES } from '../training/trainOptions.js'

export interface Contender {
  /** As it was written. */
  readonly name: string
  /** What makes a run this one. */
  readonly options: Partial<Pick<TrainInput, 'technique' | 'classifier' | 'schedule' | 'unfreeze' | 'methods'>>
}

const CLASSIFIER_NAMES: Readonly<Record<string, (typeof CLASSIFIERS)[number]>> = {
  probe: 'linear-probe',
  ...Object.fromEntries(CLASSIFIERS.map((name) => [name, name])),
}

/** Techniques of their own, besides the two that have parts. */
const OTHERS = TECHNIQUES.filter((name) => !['auto', 'feature-extraction', 'fine-tuning'].includes(name))

export const CONTENDER_NAMES: readonly string[] = [
  ...Object.keys(CLASSIFIER_NAMES),
  ...OTHERS,
  'unfreeze',
  ...TUNING_SCHEDULES,
  ...Object.keys(METHODS),
]

/** @throws UsageError for a name that there is not */
export function contender(text: string): Contender {
  const parts = text.split('+').map((part) => part.trim())
  const [first] = parts
  if (first === undefined || parts.length > 1) {
    const { adapter, additions } = chooseMethods(parts)
    const name = [...(adapter ? [adapter] : []), ...additions].map((method) => method.text).join(' + ')
    return { name, options: { technique: 'fine-tuning', methods: parts } }
  }
  const { name, options } = parseMethod(first)
  const classifier = CLASSIFIER_NAMES[name]
  if (classifier !== undefined) return { name, options: { technique: 'feature-extraction', classifier } }
  const other = OTHERS.find((technique) => technique === name)
  if (other !== undefined) return { name, options: { technique: other } }
  const schedule = TUNING_SCHEDULES.find((known) => known === name)
  if (schedule !== undefined) return { name, options: { technique: 'fine-tuning', schedule } }
  if (name === 'unfreeze') {
    const { blocks = 1 } = options
    if (typeof blocks !== 'number') throw new UsageError(`unfreeze: blocks is "${blocks}"; expected a number.`)
    return { name: `unfreeze(blocks=${blocks})`, options: { technique: 'feature-extraction', unfreeze: blocks } }
  }
  if (!Object.hasOwn(METHODS, name)) {
    const near = nearestName(name, CONTENDER_NAMES)
    throw new UsageError(`There is nothing called "${name}" to compare.`, {
      remedy: near === undefined ? `Choose from: ${CONTENDER_NAMES.join(', ')}.` : `Did you mean ${near}?`,
    })
  }
  const { adapter, additions } = chooseMethods([first])
  const chosen = adapter ?? additions[0]
  return { name: chosen?.text ?? name, options: { technique: 'fine-tuning', methods: [first] } }
}
