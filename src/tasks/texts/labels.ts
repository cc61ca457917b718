/** The targets of a data set in a model's own classes and their order. */
import { UsageError } from '../../base/errors.js'
import type { Targets } from '../../data/targets.js'
import type { TextDataset } from '../../data/text/types.js'

/** @throws UsageError where the data has no labels, others than the model knows, or labels of another kind */
export function withTargetsOf(
  { targets, origin }: TextDataset,
  kind: Targets['kind'],
  labels: readonly string[],
): Targets {
  const name = origin ?? 'the list'
  if (targets === undefined)
    throw new UsageError(`${name}: these texts have no labels to measure on.`, {
      remedy: 'Name the column of the labels with --label.',
    })
  const classes = (one: Targets['kind']) => one === 'single-label' || one === 'ordinal'
  if (targets.kind !== kind && !(classes(targets.kind) && classes(kind)))
    throw new UsageError(`${name}: its labels are ${SAYS[targets.kind]}; the model predicts ${SAYS[kind]}.`, {
      remedy: 'Name another column with --label.',
    })
  if (targets.kind === 'number') return targets
  const unknown = targets.classes.filter((label) => !labels.includes(label))
  if (unknown.length > 0)
    throw new UsageError(`The data has classes that the model does not know: ${unknown.slice(0, 5).join(', ')}.`, {
      remedy: `The model knows: ${labels.slice(0, 10).join(', ')}.`,
    })
  const back = targets.classes.map((label) => labels.indexOf(label))
  const renumbered = (own: Int32Array) => own.map((label) => back[label] ?? -1)
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal':
      return {
        kind: kind === 'ordinal' ? 'ordinal' : 'single-label',
        classes: labels,
        labels: renumbered(targets.labels),
      }
    case 'token-labels':
      return { kind: 'token-labels', classes: labels, labels: targets.labels.map(renumbered) }
    case 'multi-label': {
      const width = targets.classes.length
      const rows = width === 0 ? 0 : targets.labels.length / width
      const own = new Uint8Array(rows * labels.length)
      for (let i = 0; i < rows; i++)
        back.forEach((to, from) => {
          own[i * labels.length + to] = targets.labels[i * width + from]!
        })
      return { kind: 'multi-label', classes: labels, labels: own }
    }
  }
}

const SAYS: Readonly<Record<Targets['kind'], string>> = {
  'single-label': 'one class a text',
  ordinal: 'one class a text, in an order',
  'multi-label': 'several labels a text',
  number: 'a number a text',
  'token-labels': 'a class a word',
}
