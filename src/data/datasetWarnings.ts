/** What a person should know about a labelled data set before training on it, and what makes training impossible. */
import { GraftError } from '../base/errors.js'
import { list } from './layout.js'
import type { ImageDataset, ImageSample } from './types.js'

/** Photos of each class, (C). */
export function classCounts(classes: readonly string[], samples: readonly ImageSample[]): Int32Array {
  const counts = new Int32Array(classes.length)
  for (const { label } of samples) if (label >= 0) counts[label] = counts[label]! + 1
  return counts
}

/** Sentences on classes that are alone, tiny, uneven, or named almost alike. */
export function datasetWarnings(classes: readonly string[], samples: readonly ImageSample[]): string[] {
  return classWarnings(classes, classCounts(classes, samples), { one: 'photo', many: 'photos' })
}

/**
 * The same for samples of any kind.
 *
 * @param counts samples of each class, (C)
 */
export function classWarnings(
  classes: readonly string[],
  counts: ArrayLike<number>,
  { one, many }: { readonly one: string; readonly many: string },
): string[] {
  if (classes.length === 0) return []
  const warnings: string[] = []
  const present = classes.filter((_, i) => counts[i]! > 0)
  if (present.length === 1)
    warnings.push(`All ${many} are of one class, ${present[0]}: there is nothing to tell apart.`)
  const single = classes.filter((_, i) => counts[i] === 1)
  if (single.length > 0)
    warnings.push(`Only one ${one} of ${list(single)}: it can be trained on, but not measured. Add ${many}.`)
  for (const alike of lookAlikes(classes)) {
    const named = alike.map((name) => `${JSON.stringify(name)} (${counts[classes.indexOf(name)]} ${many})`)
    warnings.push(`Labels that differ only by case or space: ${named.join(', ')}. They count as different classes.`)
  }
  const sizes = Array.from(counts)
  const most = sizes.reduce((a, b) => Math.max(a, b), 0)
  const least = sizes.reduce((a, b) => (b > 0 ? Math.min(a, b) : a), Number.POSITIVE_INFINITY)
  if (present.length > 1 && most >= 10 * least) {
    const [big, small] = [classes[sizes.indexOf(most)]!, classes[sizes.indexOf(least)]!]
    warnings.push(
      `The classes are uneven: ${most} ${many} of ${big}, ${least} of ${small}. Consider balanced sampling.`,
    )
  }
  return warnings
}

/** Groups of labels that become the same without case, surrounding space, repeated space and Unicode form. */
export function lookAlikes(classes: readonly string[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const name of classes) {
    const key = likeness(name)
    groups.set(key, [...(groups.get(key) ?? []), name])
  }
  return [...groups.values()].filter((names) => names.length > 1)
}

/** A label without what makes look-alikes differ: equal for labels that differ only by that. */
export function likeness(name: string): string {
  return name
    .normalize('NFKC')
    .trim()
    .replace(/[\s_-]+/g, ' ')
    .toLowerCase()
}

/** @throws GraftError where a classifier cannot be trained: fewer classes than are needed, or a class without training photos. */
export function checkTrainable(dataset: ImageDataset, fewest = 2): void {
  const name = dataset.origin ?? 'the list'
  const counts = classCounts(dataset.classes, dataset.samples)
  const present = dataset.classes.filter((_, i) => counts[i]! > 0)
  if (present.length < fewest) {
    const found = present.length === 0 ? 'no labels' : `one class only (${present[0]})`
    throw new GraftError(`${name}: ${found}, expected at least ${fewest === 1 ? 'one class' : 'two classes'}`, {
      remedy: 'Add a second folder of photos, for instance of everything that is not the first.',
    })
  }
  const trained = classCounts(
    dataset.classes,
    dataset.samples.filter((sample) => sample.split === undefined || sample.split === 'train'),
  )
  const missing = dataset.classes.filter((_, i) => trained[i] === 0)
  if (missing.length > 0)
    throw new GraftError(`${name}: no training photo of ${list(missing)}`, {
      remedy: 'Add photos of it to train/, or remove it from the other parts.',
    })
}
