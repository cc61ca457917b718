/** Targets as text, to compare them by. */
import type { Targets } from '../../data/targets.js'

/** What is said of a sample, as text. */
export function targetText(targets: Targets, i: number): string {
  switch (targets.kind) {
    case 'single-label':
    case 'ordinal':
      return targets.classes[targets.labels[i]!] ?? ''
    case 'number':
      return String(targets.values[i])
    case 'multi-label':
      return targets.classes.filter((_, c) => targets.labels[i * targets.classes.length + c] === 1).join('\u0000')
    case 'token-labels':
      return targets.labels[i]!.join()
  }
}
