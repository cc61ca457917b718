/**
 * Training a model further with the classes that it knew: they come first, in their order, and the classes of the data that it
 * did not know follow. Labels are mapped by name.
 */
import { GraftError, UsageError } from '../../base/errors.js'
import type { Targets } from '../../data/targets.js'
import { countsAt } from './divide.js'
import type { Nouns, Trunk } from './modality.js'
import type { TrainOptions } from './trainOptions.js'

type Asked = Pick<TrainOptions, 'keepClasses' | 'technique' | 'unfreeze' | 'classifier'>

/** @throws UsageError where another option leaves nothing that could train */
export function checkKeepClasses({ keepClasses, technique, unfreeze, classifier }: Asked): void {
  if (!keepClasses) return
  if (technique === 'setfit')
    throw new UsageError(
      '--keep-classes trains the old classifier on; setfit fits a new one from the new data alone.',
      {
        remedy: 'Choose fine-tuning, or leave the technique out.',
      },
    )
  // Rows for new classes, fitted where no sample of an old class speaks against them, would win over every old class.
  if (technique === 'feature-extraction' && unfreeze === 0)
    throw new UsageError(
      '--keep-classes needs training: a classifier fitted on features of the new data alone, without the old, would answer with new classes only.',
      { remedy: 'Choose fine-tuning with --methods lwf, or train the last blocks with --unfreeze 1.' },
    )
  if (classifier !== 'linear-probe')
    throw new UsageError(`--keep-classes trains the old classifier on; --classifier ${classifier} fits a new one.`, {
      remedy: 'Give one of them.',
    })
}

export interface KeptClasses {
  /** With the classes of both. */
  readonly targets: Targets
  /** Classes that the model did not know. */
  readonly added: readonly string[]
  /** Classes that no sample has, so that nothing in the data speaks for them. */
  readonly absent: readonly string[]
}

/** @throws GraftError where the backbone has no classes, or these and the data's cannot be brought together */
export function keptClasses({ backbone }: Trunk, targets: Targets): KeptClasses {
  const { labels: old, head, record, name } = backbone
  if (old === undefined || head.kind === 'none' || head.kind === 'chosen')
    throw new GraftError(
      `${name} has no classes to keep${head.kind === 'chosen' ? ', for its features were chosen by hand' : ''}.`,
      { remedy: 'Name a model that was trained before as --backbone, or leave --keep-classes out.' },
    )
  const before = typeof record?.target === 'string' ? record.target : 'single-label'
  const own = targets.kind
  if (!ONE_CLASS.has(own) || !ONE_CLASS.has(before))
    throw new GraftError(
      `--keep-classes is for models of one class a sample: ${name} predicts ${SAYS[before] ?? before}, the data has ${SAYS[own]}.`,
      { remedy: 'Train without --keep-classes: the classifier is then fitted anew for the classes of the data.' },
    )
  if (own !== 'single-label' && own !== 'ordinal') throw new RangeError(`targets of the kind ${own}`)
  const added = targets.classes.filter((label) => !old.includes(label))
  if (before === 'ordinal' && added.length > 0)
    throw new GraftError(
      `The classes of ${name} go from ${old[0]} to ${old[old.length - 1]}; where ${added.slice(0, 5).join(', ')} would stand among them is not known.`,
      { remedy: 'Rename the labels to those of the model, or train without --keep-classes.' },
    )
  const classes = [...old, ...added]
  const place = targets.classes.map((label) => classes.indexOf(label))
  const labels = targets.labels.map((label) => place[label] ?? -1)
  const kept: Targets = { kind: before === 'ordinal' ? 'ordinal' : 'single-label', classes, labels }
  const counts = countsAt(kept, Int32Array.from(labels.keys()))
  return { targets: kept, added, absent: old.filter((_, c) => counts[c] === 0) }
}

const ONE_CLASS: ReadonlySet<string> = new Set(['single-label', 'ordinal'])

const SAYS: Readonly<Record<string, string>> = {
  'single-label': 'one class a sample',
  ordinal: 'one class a sample, in an order',
  'multi-label': 'several labels a sample',
  number: 'a number',
  'token-labels': 'a class a word',
} satisfies Record<Targets['kind'], string>

/** What is to be said of them before the training. */
export function tellKept(
  { added, absent }: KeptClasses,
  old: readonly string[],
  { methods }: Pick<TrainOptions, 'methods'>,
  { many }: Nouns,
  told: { decide(name: string, choice: string, reason: string): void; warn(message: string, remedy?: string): void },
): void {
  const list = (names: readonly string[]) => `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''}`
  told.decide(
    'classes',
    `${old.length} kept, ${added.length} added`,
    added.length === 0 ? 'the data has no class that the model does not know' : `new in the data: ${list(added)}`,
  )
  const held = methods.some((method) => /^\s*(lwf|ewc)\b/i.test(method))
  if (absent.length > 0 && !held)
    told.warn(
      `No ${many} of ${list(absent)} ${absent.length === 1 ? 'is' : 'are'} in the new data, so the model will forget ${absent.length === 1 ? 'this class' : 'these classes'} as it trains.`,
      'Keep what it knew with --methods lwf (or ewc, or both), or add samples of the old classes.',
    )
}
