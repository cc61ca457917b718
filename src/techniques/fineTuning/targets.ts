/** What the loss compares the logits with: soft targets and what each weighs. */
import type { AnyTargets } from '../../data/targets.js'
import type { Encoded } from './objective.js'

/** One-hot targets (N, C) with `smoothing` spread over all classes: (1 - s) y + s / C (Szegedy et al. 2016). */
export function smoothTargets(labels: Int32Array, classes: number, smoothing: number): Float32Array {
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes)
  labels.forEach((label, i) => {
    targets[i * classes + label] = 1 - smoothing + smoothing / classes
  })
  return targets
}

/**
 * Classes, -1 where unknown, as smoothed targets (N, C) and weights (N): the class's, 1 by default, 0 where it is unknown.
 *
 * @param possible (N, C): classes that a sample of unknown class may have; such a sample has a 1 for each of them and the weight 1
 */
export function encodeClasses(
  labels: Int32Array,
  classes: number,
  smoothing: number,
  classWeights: Float64Array | undefined,
  possible?: Uint8Array,
): Encoded {
  // Where the class is unknown the target is any: it weighs nothing.
  const known = labels.map((label) => Math.max(0, label))
  const encoded = {
    targets: smoothTargets(known, classes, smoothing),
    weights: Float32Array.from(labels, (label) => (label < 0 ? 0 : (classWeights?.[label] ?? 1))),
  }
  if (possible === undefined) return encoded
  labels.forEach((label, i) => {
    const own = possible.subarray(i * classes, (i + 1) * classes)
    if (label >= 0 || !own.includes(1)) return
    encoded.targets.set(own, i * classes)
    encoded.weights[i] = 1
  })
  return encoded
}

/** N / (C n_c), so that every class weighs the same in total and the mean weight over the samples is 1; -1 is not counted. */
export function inverseFrequencies(labels: Int32Array, classes: number): Float64Array {
  const counts = new Float64Array(classes)
  let known = 0
  for (const label of labels) {
    if (label < 0) continue
    known++
    counts[label] = counts[label]! + 1
  }
  const present = counts.reduce((n, count) => n + (count > 0 ? 1 : 0), 0)
  return counts.map((count) => (count === 0 ? 0 : known / (present * count)))
}

/** Text that is the same for the same targets and no others: for the key of a checkpoint. */
export function targetsText(targets: AnyTargets): string {
  switch (targets.kind) {
    case 'tasks':
      return JSON.stringify([targets.kind, targets.tasks.map((task) => [task.name, targetsText(task.targets)])])
    case 'multi-label':
      return `${JSON.stringify([targets.kind, targets.classes])} ${targets.labels.join()} ${targets.known?.join() ?? ''}`.trimEnd()
    case 'number':
      return `number ${targets.values.join()}`
    case 'token-labels':
      return JSON.stringify([targets.kind, targets.classes, targets.labels.map((own) => own.join())])
    case 'single-label':
      return `${JSON.stringify([targets.kind, targets.classes])} ${targets.labels.join()} ${targets.possible?.join() ?? ''}`.trimEnd()
    default:
      return `${JSON.stringify([targets.kind, targets.classes])} ${targets.labels.join()}`
  }
}
