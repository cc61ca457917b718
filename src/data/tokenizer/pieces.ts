/** From a piece of text to the numbers of its tokens: WordPiece, byte-pair and unigram models, remembered. */
import { GraftError } from '../../base/errors.js'
import { isPart, malformed, type Part, textOf, typeOf, unsupported } from './json.js'
import { BPE, WordPiece } from './library.js'
import { unigram } from './unigram.js'

export type ModelKind = 'WordPiece' | 'BPE' | 'Unigram' | 'WordLevel'

export interface Pieces {
  readonly kind: ModelKind
  /** Tokens in the vocabulary, those that were added left out. */
  readonly size: number
  idOf(token: string): number | undefined
  encode(piece: string): readonly number[]
}

const MOST_REMEMBERED = 100_000

/** @param part the `model` of a tokenizer.json */
export function pieces(part: Part): Pieces {
  const kind = kindOf(part)
  const made = kind === 'WordLevel' ? wordLevel(part) : subwords(kind, part)
  const known = new Map<string, readonly number[]>()
  return {
    ...made,
    kind,
    encode(piece) {
      const before = known.get(piece)
      if (before !== undefined) return before
      const ids = made.encode(piece)
      if (known.size >= MOST_REMEMBERED) known.clear()
      known.set(piece, ids)
      return ids
    },
  }
}

/** Files of old versions do not name the kind. */
function kindOf(part: Part): ModelKind {
  const { type } = part
  if (type === 'WordPiece' || type === 'BPE' || type === 'Unigram' || type === 'WordLevel') return type
  if (type !== undefined) throw unsupported(`the model ${typeOf(part)}`)
  if (Array.isArray(part.vocab)) return 'Unigram'
  if (part.merges !== undefined) return 'BPE'
  return part.continuing_subword_prefix === undefined ? 'WordLevel' : 'WordPiece'
}

type Made = Omit<Pieces, 'kind'>

function wordLevel(part: Part): Made {
  if (!isPart(part.vocab)) throw malformed('the vocabulary is missing')
  const ids = new Map(Object.entries(part.vocab) as [string, number][])
  const unknown = ids.get(textOf(part, 'unk_token', ''))
  return {
    size: ids.size,
    idOf: (token) => ids.get(token),
    encode: (piece) => [ids.get(piece) ?? unknown].filter((id) => id !== undefined),
  }
}

interface Subwords {
  readonly ids: ReadonlyMap<string, number>
  readonly unknown: number | undefined
  divide(piece: string): readonly string[]
}

function subwords(kind: 'WordPiece' | 'BPE' | 'Unigram', part: Part): Made {
  if (part.vocab === undefined) throw malformed('the vocabulary is missing')
  if (kind === 'BPE' && part.dropout) throw unsupported('dropout of merges, which is random')
  if (kind === 'BPE' && part.continuing_subword_prefix) throw unsupported('byte pairs with a continuing_subword_prefix')
  const { ids, unknown, divide } = kind === 'Unigram' ? unigramModel(part) : libraryModel(kind, part)
  const fallback = kind === 'Unigram' && part.byte_fallback === true ? byteTokens(ids) : undefined
  return {
    size: ids.size,
    idOf: (token) => ids.get(token),
    encode(piece) {
      const found: number[] = []
      for (const token of divide(piece)) {
        const id = ids.get(token)
        const bytes = id === undefined ? fallback?.(token) : undefined
        if (bytes !== undefined) found.push(...bytes)
        else if (id !== undefined || unknown !== undefined) found.push((id ?? unknown) as number)
        else
          throw new GraftError(`The tokenizer has no token for "${piece.slice(0, 40)}" and none for what is unknown.`, {
            remedy: 'Take this text out, or use a model with another tokenizer.',
          })
      }
      return found
    },
  }
}

function unigramModel(part: Part): Subwords {
  const { ids, divide } = unigram(part)
  return { ids, divide, unknown: typeof part.unk_id === 'number' ? part.unk_id : undefined }
}

function libraryModel(kind: 'WordPiece' | 'BPE', part: Part): Subwords {
  const model = kind === 'WordPiece' ? new WordPiece(part) : new BPE(part)
  return { ids: model.tokens_to_ids, unknown: model.unk_token_id, divide: (piece) => model([piece]) }
}

/** What is unknown, as the tokens `<0x00>` ... `<0xFF>` of its bytes, where the vocabulary has all of them. */
function byteTokens(ids: ReadonlyMap<string, number>): (token: string) => number[] | undefined {
  const encoder = new TextEncoder()
  return (token) => {
    const found = Array.from(encoder.encode(token), (byte) =>
      ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    )
    return found.every((id) => id !== undefined) ? (found as number[]) : undefined
  }
}
