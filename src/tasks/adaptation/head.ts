/**
 * What an adaptation on cached features saves: one affine step with the statistics of the target, and one or two linear layers
 * with Relu between them. logits = W_2 max(0, W_1 z + b_1) + b_2 with z = (x - mean) * scale.
 */
import { UsageError } from '../../base/errors.js'
import type { Matrix } from '../../base/matrix.js'
import { attr, emptyGraph, type Model } from '../../graph/graph.js'
import type { Engine } from '../../runtime/engine.js'
import { floats, type HostTensor } from '../../runtime/types.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import { appendHead, type HeadNodes, HeadWriter } from '../../techniques/featureExtraction/headNodes.js'
import type { Standardiser } from '../../techniques/featureExtraction/standardise.js'

export interface AdaptedHead {
  /** What is done to the features first; undefined: nothing. */
  readonly affine: Standardiser | undefined
  /** (H, D), (H); then (C, H), (C). Or only (C, D), (C). */
  readonly layers: readonly LinearHead[]
}

export interface HeadOutputs {
  /** (N, C) */
  readonly logits: Matrix
  /** What goes into the last layer: (N, H), or (N, D) after the affine step. */
  readonly features: Matrix
}

/** The nodes from the value `features` (N, D) to the value `output` (N, C); the last layer reads `${prefix}features`. */
export function adaptedNodes(
  { affine, layers }: AdaptedHead,
  features: string,
  output: string,
  prefix: string,
): HeadNodes {
  if (layers.length === 0) throw new UsageError('A head needs at least one layer.')
  const w = new HeadWriter(prefix)
  let value = features
  if (affine !== undefined) {
    const width = affine.mean.length
    const mean = w.floats('mean', [width], Float32Array.from(affine.mean))
    const scale = w.floats('scale', [width], Float32Array.from(affine.scale))
    value = w.op('Mul', [w.op('Sub', [value, mean], {}, 'centred'), scale], {}, 'standardised')
  }
  for (const [i, { weight, bias }] of layers.entries()) {
    const last = i === layers.length - 1
    if (last) value = w.op('Identity', [value], {}, 'features')
    const wn = w.floats(`weight.${i}`, [weight.rows, weight.columns], weight.data)
    const bn = w.floats(`bias.${i}`, [bias.length], bias)
    value = w.op('Gemm', [value, wn, bn], { transB: attr.int(1) }, last ? `=${output}` : `layer.${i}`)
    if (!last) value = w.op('Relu', [value], {}, `active.${i}`)
  }
  return w
}

const PREFIX = 'graft.head.'

/** The head alone as a network on features (N, D). */
function headNetwork(head: AdaptedHead, width: number): Model {
  const graph = emptyGraph('head')
  graph.inputs = [{ name: 'x', type: 'float32', shape: ['batch', width] }]
  appendHead(graph, adaptedNodes(head, 'x', 'logits', PREFIX))
  graph.outputs = [
    { name: 'logits', type: 'float32', shape: ['batch', outputsOf(head)] },
    { name: `${PREFIX}features`, type: 'float32', shape: ['batch', head.layers.at(-1)!.weight.columns] },
  ]
  return {
    graph,
    irVersion: 10,
    opsets: new Map([['', 21]]),
    functions: [],
    producer: { name: 'graft', version: '' },
    metadata: new Map(),
  }
}

/** C */
export const outputsOf = ({ layers }: AdaptedHead): number => layers.at(-1)?.weight.rows ?? 0

/** What the head says of several matrices of features. */
export async function headOutputs(
  engine: Engine,
  head: AdaptedHead,
  features: readonly Matrix[],
): Promise<HeadOutputs[]> {
  const width = features[0]?.columns ?? 0
  const program = await engine.load({ model: headNetwork(head, width), state: [] })
  try {
    const found: HeadOutputs[] = []
    for (const part of features) {
      if (part.rows === 0) {
        found.push({ logits: asMatrix(0, outputsOf(head)), features: asMatrix(0, head.layers.at(-1)!.weight.columns) })
        continue
      }
      const results = await program.run({ x: floats([part.rows, width], part.data) })
      found.push({
        logits: asMatrix(part.rows, outputsOf(head), results.logits),
        features: asMatrix(part.rows, head.layers.at(-1)!.weight.columns, results[`${PREFIX}features`]),
      })
    }
    return found
  } finally {
    await program.release()
  }
}

function asMatrix(rows: number, columns: number, tensor?: HostTensor): Matrix {
  return { rows, columns, data: (tensor?.data as Float32Array | undefined) ?? new Float32Array(rows * columns) }
}
