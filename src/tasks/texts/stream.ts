/** Texts as a stream that a model adapts to. */
import type { TextSample } from '../../data/text/types.js'
import { padTexts } from '../../data/tokenBatches.js'
import type { Tokenizer } from '../../data/tokenizer.js'
import { paddedLength } from '../../techniques/texts/features.js'
import { textNetworkInputs, textTensors } from '../../techniques/texts/inputs.js'
import type { StreamReader } from '../adaptedStream.js'
import type { Photo, Text } from '../trainedModel.js'

export interface TextReaderOptions {
  readonly tokenizer: Tokenizer
  readonly maxLength: number
  /** The names of the network's inputs. */
  readonly inputs: readonly string[]
  readonly asSample: (given: Photo | Text, index: number) => TextSample
}

/** A batch is padded to the length of its longest text, rounded up: each length is a program of its own. */
export function textReader({ tokenizer, maxLength, inputs, asSample }: TextReaderOptions): StreamReader {
  return {
    inputs: textNetworkInputs(inputs, maxLength),
    idOf: (_, index) => `#${index}`,
    async read(given) {
      const rows = given.map((text, i) => tokenizer.encode(asSample(text, i), maxLength))
      const length = paddedLength(Math.max(...rows.map(({ ids }) => ids.length)), maxLength)
      const padded = padTexts(rows, length, tokenizer.padId)
      const samples = Int32Array.from(rows.keys())
      return { batch: { inputs: textTensors(padded, length, inputs), samples }, errors: new Map() }
    },
  }
}
