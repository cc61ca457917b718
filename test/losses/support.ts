/** A loss and its gradient by the logits, computed by the engine. */
import assert from 'node:assert/strict'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import type { Engine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'
import { runOnce } from '../support/compare.js'

export type AppendLoss = (g: GraphBuilder) => string

/** @param feeds by the names that `append` reads; the gradient is that by `logits` */
export async function lossAndGradient(
  engine: Engine,
  append: AppendLoss,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<{ loss: number; gradient: Float32Array }> {
  const g = new GraphBuilder('loss')
  for (const [name, { type, dims }] of Object.entries(feeds)) g.input(name, { type, shape: dims })
  const loss = append(g)
  assert.deepEqual(g.shape(loss), [])
  const gradients = differentiate(g, new Map([[loss, g.float(1)]]), ['logits'])
  g.output('loss', loss)
  g.output('gradient', gradients.get('logits') as string)
  const found = await runOnce(engine, g.model(), feeds)
  return { loss: Number(found.loss?.data[0]), gradient: found.gradient?.data as Float32Array }
}
