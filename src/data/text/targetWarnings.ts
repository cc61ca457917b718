/** What a person should know about the labels of texts before training on them, and what makes training impossible. */
import { GraftError } from '../../base/errors.js'
import { classWarnings } from '../datasetWarnings.js'
import { list } from '../layout.js'
import { countOf, outputsOf, type Targets, takeTargets } from '../targets.js'
import { splitsOf } from './samples.js'
import type { TextDataset } from './types.js'

/** How often each class occurs, (C): texts that have it, or words. Empty for a number. */
export function classFrequencies(targets: Targets): Float64Array {
  if (targets.kind === 'number') return new Float64Array(0)
  const width = outputsOf(targets)
  const counts = new Float64Array(width)
  if (targets.kind === 'multi-label') for (const [i, has] of targets.labels.entries()) counts[i % width]! += has
  else if (targets.kind === 'token-labels') {
    for (const labels of targets.labels) for (const label of labels) if (label >= 0) counts[label]! += 1
  } else for (const label of targets.labels) if (label >= 0) counts[label]! += 1
  return counts
}

/** Sentences on classes that are alone, tiny, uneven, never used, or named almost alike; on numbers that do not vary. */
export function targetWarnings(targets: Targets): string[] {
  switch (targets.kind) {
    case 'number': {
      const different = new Set(targets.values)
      return different.size < 2
        ? [`All texts have the same number in ${JSON.stringify(targets.name)}: there is nothing to learn.`]
        : []
    }
    case 'single-label':
    case 'ordinal':
      return [...classWarnings(targets.classes, classFrequencies(targets), TEXT), ...unused(targets.classes, targets)]
    case 'token-labels':
      return unused(targets.classes, targets)
    case 'multi-label': {
      const counts = classFrequencies(targets)
      const always = targets.classes.filter((_, i) => counts[i] === countOf(targets))
      const warnings = classWarnings(targets.classes, counts, TEXT).filter(
        (warning) => !warning.startsWith('All texts'),
      )
      if (always.length > 0) warnings.push(`Every text has ${list(always)}: there is nothing to tell apart.`)
      return [...warnings, ...unused(targets.classes, targets)]
    }
  }
}

const TEXT = { one: 'text', many: 'texts' } as const

function unused(classes: readonly string[], targets: Targets): string[] {
  const counts = classFrequencies(targets)
  const names = classes.filter((_, i) => counts[i] === 0)
  return names.length === 0 ? [] : [`No text has the ${names.length === 1 ? 'class' : 'classes'} ${list(names)}.`]
}

/**
 * @throws GraftError where nothing can be trained: no labels, fewer than two classes or numbers, or (of one class a text) a class
 *   that no text to train on has
 */
export function checkTextsTrainable(dataset: TextDataset, fewest = 2): void {
  const name = dataset.origin ?? 'the list'
  const { targets } = dataset
  if (targets === undefined)
    throw new GraftError(`${name}: these texts have no labels, which training needs`, {
      remedy: 'Name their column with --label.',
    })
  const splits = splitsOf(dataset.samples)
  const rows = Int32Array.from(splits.flatMap((split, i) => (split === undefined || split === 'train' ? [i] : [])))
  if (rows.length === 0)
    throw new GraftError(`${name}: the data puts no text into train`, { remedy: 'Add texts to train.' })
  const trained = takeTargets(targets, rows)
  if (trained.kind === 'number') {
    if (new Set(trained.values).size > 1) return
    throw new GraftError(`${name}: all numbers in ${JSON.stringify(trained.name)} are the same`, {
      remedy: 'Name another column with --label.',
    })
  }
  const counts = classFrequencies(trained)
  const present = trained.classes.filter((_, i) => counts[i]! > 0)
  if (present.length < (trained.kind === 'multi-label' ? 1 : fewest)) {
    const found = present.length === 0 ? 'no labels' : `one class only (${present[0]})`
    throw new GraftError(
      `${name}: ${found} to train on, expected at least ${fewest === 1 ? 'one class' : 'two classes'}`,
      {
        remedy: 'Add texts of another class, or name another column with --label.',
      },
    )
  }
  if (trained.kind === 'multi-label' || trained.kind === 'token-labels') return
  const missing = trained.classes.filter((_, i) => counts[i] === 0)
  if (missing.length > 0)
    throw new GraftError(`${name}: no training text of ${list(missing)}`, {
      remedy: 'Add texts of it to train, or remove it from the classes and from the other parts.',
    })
}
