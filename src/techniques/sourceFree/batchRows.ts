/** What losses on the unlabelled samples of a batch begin with. */
import type { Emitter } from '../../ops/operator.js'

/** What each row counts in a mean over the batch, (N), summing to 1. @param rows (N), 1 for the samples of the batch, 0 for what fills it up */
export function rowShares(g: Emitter, rows: string): string {
  const total = g.op('ReduceSum', [rows, g.ints([0])], { keepdims: { kind: 'int', value: 0 } })
  return g.op('Div', [rows, total])
}

/** logits / temperature. */
export const tempered = (g: Emitter, logits: string, temperature: number): string =>
  temperature === 1 ? logits : g.op('Div', [logits, g.float(temperature)])
