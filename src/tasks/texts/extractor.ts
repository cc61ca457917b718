/** What a frozen part makes of texts, as rows of features or as samples of the part that trains. */
import { type Matrix, matrix } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { type Targets, type TokenTargets, takeTargets } from '../../data/targets.js'
import { firstPieces, type TokenizedTexts } from '../../data/tokenBatches.js'
import { type ChosenWords, chooseWords } from '../../techniques/featureExtraction/words.js'
import { matrixSource } from '../../techniques/fineTuning/matrixSource.js'
import type { NetworkInput } from '../../techniques/fineTuning/network.js'
import { openTextExtractor, type TextExtractor } from '../../techniques/texts/features.js'
import { textSource } from '../../techniques/texts/source.js'
import type { Extractor, FeatureTable, FrozenPart } from '../training/modality.js'
import { matrixTable } from '../training/workspace.js'

export interface ExtractedTexts {
  readonly texts: TokenizedTexts
  readonly targets: Targets
  /** SHA-256 of each text. */
  readonly contents: readonly string[]
  /** Lengths to pad to. */
  readonly buckets: readonly number[]
  /** Chooses words, where there are too many. */
  readonly random: Random
}

/** Words that a head is fitted on, at most: 60,000 of 384 numbers are 92 MB. */
const MOST_WORDS = 60_000
/** Texts whose hidden states are held at a time. */
const AT_ONCE = 512

export async function openExtractor(data: ExtractedTexts, part: FrozenPart): Promise<Extractor> {
  const { texts, targets, contents } = data
  const { model, output, source, threads, signal } = part
  const tokens = model.graph.outputs.find(({ name }) => name === output)?.shape?.length === 3
  // Hidden states of every token are too much to keep on the disk.
  const cache = tokens ? undefined : part.cache
  const inner = await openTextExtractor({ model, output, source, threads, cache, signal }, texts, contents)
  return {
    async features(positions, onProgress) {
      if (targets.kind === 'token-labels') return wordFeatures(inner, data, targets, positions, onProgress)
      const rows = await inner.rows(positions, onProgress)
      return matrixTable(stacked(rows), positions, (wanted) => takeTargets(targets, wanted))
    },
    async source(inputs, positions, onProgress) {
      const rows = await inner.rows(positions, onProgress)
      const [hidden, others] = divided(
        inputs,
        model.graph.inputs.map(({ name }) => name),
      )
      const width = hidden.sample[hidden.sample.length - 1]!
      if (hidden.sample.length === 1) return matrixSource(stacked(rows), takeTargets(targets, positions), hidden)
      return textSource({
        texts,
        targets,
        positions,
        inputs: others,
        buckets: data.buckets,
        hidden: { name: hidden.name, width, of: (sample) => rows[sample]! },
      })
    },
    release: () => inner.release(),
  }
}

function stacked(rows: readonly Float32Array[]): Matrix {
  const all = matrix(rows.length, rows[0]?.length ?? 0)
  rows.forEach((row, i) => {
    all.data.set(row, i * all.columns)
  })
  return all
}

/** The input that the frozen part computes, and the names of those that texts give. */
function divided(inputs: readonly NetworkInput[], given: readonly string[]): [NetworkInput, string[]] {
  const hidden = inputs.find(({ name }) => !given.includes(name)) ?? inputs[0]!
  return [hidden, inputs.filter((input) => input !== hidden).map(({ name }) => name)]
}

/** The hidden states at the first pieces of some of the labelled words. */
async function wordFeatures(
  inner: TextExtractor,
  { texts, random }: ExtractedTexts,
  targets: TokenTargets,
  positions: Int32Array,
  onProgress: ((count: number) => void) | undefined,
): Promise<FeatureTable> {
  const own = takeTargets(targets, positions) as TokenTargets
  const chosen = chooseWords(own, MOST_WORDS, random.fork('words'))
  const found: { sample: number; word: number; label: number; values: Float32Array }[] = []
  let next = 0
  for (let start = 0; start < positions.length; start += AT_ONCE) {
    const part = positions.subarray(start, start + AT_ONCE)
    const rows = await inner.rows(part, onProgress)
    rows.forEach((row, k) => {
      const tokens = texts.tokensOf(part[k]!)
      const width = row.length / tokens.ids.length
      const places = new Map(firstPieces(tokens).map(([at, word]) => [word, at] as const))
      for (; next < chosen.samples.length && chosen.samples[next] === start + k; next++) {
        const word = chosen.words[next]!
        const at = places.get(word)
        // A word that was cut off has no features.
        if (at === undefined) continue
        const values = row.slice(at * width, (at + 1) * width)
        found.push({ sample: start + k, word, label: chosen.labels[next]!, values })
      }
    })
  }
  const width = found[0]?.values.length ?? 0
  return {
    width,
    at(wanted) {
      const placeOf = new Map(Array.from(wanted, (position, i) => [position, i] as const))
      const rows = found.flatMap((one) => {
        const sample = placeOf.get(positions[one.sample]!)
        return sample === undefined ? [] : [{ ...one, sample }]
      })
      rows.sort((a, b) => a.sample - b.sample || a.word - b.word)
      const words: ChosenWords = {
        samples: Int32Array.from(rows, ({ sample }) => sample),
        words: Int32Array.from(rows, ({ word }) => word),
        labels: Int32Array.from(rows, ({ label }) => label),
      }
      return { features: stacked(rows.map(({ values }) => values)), targets: takeTargets(targets, wanted), words }
    },
  }
}
