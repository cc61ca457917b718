/** Where the features of a network for texts lie: before its classifier, or where the hidden states of its tokens end. */
import type { Model, ValueInfo } from '../graph/graph.js'
import { specialise } from '../passes/specialise.js'
import { type Block, findBlocks } from './blocks.js'
import { findHead, type Head, type HeadOptions } from './head.js'

/**
 * A classifier's scores where there are some, called `logits`; else the hidden states, an output (N, T, D); else a vector
 * a text that the network pools itself.
 */
export function findTextHead(
  model: Model,
  shapes: Readonly<Record<string, readonly number[]>>,
  options: HeadOptions,
): Head {
  if (options.features !== undefined) return findHead(model, options)
  const { graph } = model
  const floats = graph.outputs.filter((output) => output.type.startsWith('float'))
  const rankOf = (output: ValueInfo) => output.shape?.length ?? staticShape(model, output.name, shapes).length
  const hidden = floats.find((output) => output.name !== 'logits' && rankOf(output) === 3)
  if (floats.some((output) => output.name === 'logits')) {
    const head = findHead(model, options)
    if (head.kind !== 'none' || hidden === undefined) return head
  }
  return findHead(model, { ...options, output: (hidden ?? floats[0])?.name })
}

function staticShape(
  model: Model,
  value: string,
  shapes: Readonly<Record<string, readonly number[]>>,
): readonly number[] {
  const found = specialise(model, { shapes, outputs: [value] })
  return found.builder.shape(found.value(value))
}

/**
 * The last value that has a row for every token, (N, T, D), on the way to `features`: what labels of words are predicted from.
 *
 * @returns undefined where there is none: the network mixes its tokens before its first layer ends
 */
export function tokenFeatures(
  model: Model,
  features: string,
  shapes: Readonly<Record<string, readonly number[]>>,
  blocks: readonly Block[] = findBlocks(model, features),
): string | undefined {
  const [first] = Object.values(shapes)
  const found = specialise(model, { shapes, outputs: [features] })
  const perToken = (value: string) => {
    const shape = found.builder.shape(found.value(value))
    return shape.length === 3 && shape[0] === first?.[0] && shape[1] === first?.[1]
  }
  if (perToken(features)) return features
  // Within the last block the tokens may still be apart: its values are looked through from the end.
  for (const block of blocks.toReversed())
    for (const node of block.nodes.toReversed())
      for (const output of node.outputs) if (output !== '' && perToken(output)) return output
  return undefined
}
