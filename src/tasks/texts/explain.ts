/**
 * Which words an answer rests on: each is left out in turn, and what that changes in the probability of the answer is its
 * weight (occlusion, Zeiler and Fergus 2014; for words Li, Monroe and Jurafsky 2016, "Understanding Neural Networks through
 * Representation Erasure"). It asks the network alone, so it holds for any.
 */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { Targets } from '../../data/targets.js'
import type { TextSample } from '../../data/text/types.js'
import { padTexts } from '../../data/tokenBatches.js'
import type { Tokenizer } from '../../data/tokenizer.js'
import type { HostTensor } from '../../runtime/types.js'
import { textTensors } from '../../techniques/texts/inputs.js'
import { probabilitiesOf } from '../training/evaluateTargets.js'
import type { Explained } from '../training/modality.js'

export interface Explainer {
  readonly tokenizer: Tokenizer
  readonly maxLength: number
  readonly inputs: readonly string[]
  readonly kind: Targets['kind']
  /** Logits (n, C) of a batch. */
  readonly run: (inputs: Readonly<Record<string, HostTensor>>) => Promise<HostTensor>
  readonly signal: AbortSignal
}

/** Pieces that are left out one by one, at most: of longer texts several words go together. */
const MOST_PIECES = 60
/** Texts that go through the network together. */
const BATCH = 16

/** The text in pieces with their weights, the largest of which is 1 or -1. */
export async function explainText(sample: TextSample, output: number, explainer: Explainer): Promise<Explained> {
  const pieces = piecesOf(sample.text)
  const without = pieces.map((_, left) => pieces.filter((__, i) => i !== left).join(''))
  const variants = [sample.text, ...without].map((text): TextSample => ({ id: sample.id, text, ...pairOf(sample) }))
  const probabilities = await probabilitiesFor(variants, explainer)
  const p = (i: number) => probabilities.data[i * probabilities.columns + output]!
  const changes = pieces.map((_, i) => p(0) - p(i + 1))
  const largest = changes.reduce((most, change) => Math.max(most, Math.abs(change)), 0)
  return pieces.map((text, i) => ({ text, weight: largest === 0 ? 0 : changes[i]! / largest }))
}

const pairOf = ({ pair }: TextSample) => (pair === undefined ? {} : { pair })

/** Words with the spaces behind them; some together where there are many. */
function piecesOf(text: string): string[] {
  const words = text.match(/\s*\S+\s*/gu) ?? [text]
  const size = Math.ceil(words.length / MOST_PIECES)
  return Array.from({ length: Math.ceil(words.length / size) }, (_, i) =>
    words.slice(i * size, (i + 1) * size).join(''),
  )
}

async function probabilitiesFor(variants: readonly TextSample[], explainer: Explainer): Promise<Matrix> {
  const { tokenizer, maxLength, inputs, kind, run, signal } = explainer
  let all: Matrix | undefined
  for (let start = 0; start < variants.length; start += BATCH) {
    signal.throwIfAborted()
    const rows = variants.slice(start, start + BATCH).map((variant) => tokenizer.encode(variant, maxLength))
    const length = Math.max(...rows.map(({ ids }) => ids.length))
    const { data } = await run(textTensors(padTexts(rows, length, tokenizer.padId), length, inputs))
    const columns = data.length / rows.length
    all ??= matrix(variants.length, columns)
    all.data.set(data as Float32Array, start * columns)
  }
  return probabilitiesOf(all ?? matrix(0, 0), kind)
}
