/** What the loss compares the logits with: soft targets (N, C) and a weight for each sample. */

/** One-hot targets (N, C) with `smoothing` spread over all classes: (1 - s) y + s / C (Szegedy et al. 2016). */
export function smoothTargets(labels: Int32Array, classes: number, smoothing: number): Float32Array {
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes)
  labels.forEach((label, i) => {
    targets[i * classes + label] = 1 - smoothing + smoothing / classes
  })
  return targets
}

/** N / (C n_c), so that every class weighs the same in total and the mean weight over the samples is 1. */
export function inverseFrequencies(labels: Int32Array, classes: number): Float64Array {
  const counts = new Float64Array(classes)
  for (const label of labels) counts[label] = counts[label]! + 1
  const present = counts.reduce((n, count) => n + (count > 0 ? 1 : 0), 0)
  return counts.map((count) => (count === 0 ? 0 : labels.length / (present * count)))
}
