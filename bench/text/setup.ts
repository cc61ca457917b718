/** What the text benchmarks share: MiniLM, a data set of texts, and both as a network and its sources. */
import { join } from 'node:path'
import { type Matrix, matrix } from '#graft/base/matrix.js'
import type { Random } from '#graft/base/random.js'
import { type Targets, takeTargets } from '#graft/data/targets.js'
import { texts } from '#graft/data/text/texts.js'
import { chooseBuckets, type TokenizedTexts, tokenizeTexts } from '#graft/data/tokenBatches.js'
import { float32 } from '#graft/graph/tensor.js'
import { attachHead, cut, HEAD_BIAS, HEAD_WEIGHT, LOGITS } from '#graft/models/attach.js'
import { findBlocks } from '#graft/models/blocks.js'
import { resolveTextBackbone, type TextBackbone, textPoint } from '#graft/models/textBackbone.js'
import { withFloatWeights } from '#graft/passes/floatWeights.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { openTextExtractor } from '#graft/techniques/texts/features.js'
import { textNetworkInputs } from '#graft/techniques/texts/inputs.js'
import { textSource } from '#graft/techniques/texts/source.js'

const BACKBONE = 'all-minilm-l6-v2'
/** No text is cut at this length, and the memory that the longest would take is not set aside. */
const MAX_LENGTH = 128
export const CLASSES = ['negative', 'positive']

export interface Texts {
  readonly tokens: TokenizedTexts
  readonly targets: Targets
}

export function openBackbone(): Promise<TextBackbone> {
  return resolveTextBackbone(BACKBONE, { maxLength: MAX_LENGTH })
}

export async function readTexts(backbone: TextBackbone, folder: string, split: string, limit?: number): Promise<Texts> {
  const { samples, targets } = await texts(join(folder, `${split}.csv`), { text: 'text', label: 'label' })
  if (targets?.kind !== 'single-label') throw new Error(`${split}.csv has no classes`)
  const all = await tokenizeTexts(samples, backbone.tokenizer, { maxLength: MAX_LENGTH })
  const kept = Int32Array.from({ length: Math.min(limit ?? all.length, all.length) }, (_, i) => i)
  // Classes in the order of their names, whichever comes first in the file.
  const places = targets.classes.map((name) => CLASSES.indexOf(name))
  const named = { ...targets, classes: CLASSES, labels: targets.labels.map((label) => places[label] ?? -1) }
  const lengths = all.lengths.subarray(0, kept.length)
  return { tokens: { ...all, length: kept.length, lengths }, targets: takeTargets(named, kept) }
}

/** MiniLM with mean pooling and a new linear layer, drawn as PyTorch draws it. */
export function networkOf(backbone: TextBackbone, random: Random): Network {
  const point = textPoint(backbone)
  const bound = 1 / Math.sqrt(point.width)
  const draw = (n: number) => Float32Array.from({ length: n }, () => random.uniform(-bound, bound))
  const weight = float32([CLASSES.length, point.width], draw(CLASSES.length * point.width))
  const bias = float32([CLASSES.length], draw(CLASSES.length))
  const headed = attachHead(backbone.model, point, { classes: CLASSES.length, weight, bias })
  const layers = [...findBlocks(backbone.model, point.features).map((b) => [...b.parameters]), [HEAD_WEIGHT, HEAD_BIAS]]
  const trained = new Set(layers.flat())
  return {
    model: withFloatWeights(headed, (value) => trained.has(value)),
    inputs: textNetworkInputs(backbone.inputs, MAX_LENGTH),
    logits: LOGITS,
    features: cut(backbone.model, point).output,
    layers,
  }
}

/** The same network with the inputs of its longest texts: what no batch needs is not compiled. */
export function fitted(network: Network, longest: number): Network {
  return { ...network, inputs: network.inputs.map((input) => ({ ...input, sample: [longest] })) }
}

export function bucketsOf(...parts: readonly Texts[]): number[] {
  return chooseBuckets(
    parts.flatMap((part) => [...part.tokens.lengths]),
    MAX_LENGTH,
  )
}

export function sourceOf(
  backbone: TextBackbone,
  { tokens, targets }: Texts,
  buckets: readonly number[],
  positions = Int32Array.from({ length: tokens.length }, (_, i) => i),
): SampleSource {
  return textSource({ texts: tokens, targets, positions, inputs: backbone.inputs, buckets })
}

/** Mean-pooled, L2-normalised embeddings (N, D) of the texts at some positions; of all where none are named. */
export async function embeddings(
  backbone: TextBackbone,
  part: Texts,
  threads: number,
  positions = Int32Array.from({ length: part.tokens.length }, (_, i) => i),
): Promise<Matrix> {
  const point = textPoint(backbone, 'texts', true)
  const { model, output } = cut(backbone.model, point)
  const { signal } = new AbortController()
  const options = { model, output, source: backbone.bytesSha256, threads, signal }
  const extractor = await openTextExtractor(options, part.tokens, new Array<string>(part.tokens.length).fill(''))
  try {
    const rows = await extractor.rows(positions)
    const all = matrix(rows.length, point.width)
    rows.forEach((row, i) => {
      all.data.set(row, i * point.width)
    })
    return all
  } finally {
    await extractor.release()
  }
}

/** K random texts a class. */
export function fewOf(targets: Targets, count: number, random: Random): Int32Array<ArrayBuffer> {
  if (targets.kind !== 'single-label') throw new Error('few samples a class need classes')
  const taken = new Array<number>(targets.classes.length).fill(0)
  return Int32Array.from(random.permutation(targets.labels.length)).filter((i) => {
    const label = targets.labels[i]!
    return label >= 0 && taken[label]!++ < count
  })
}
