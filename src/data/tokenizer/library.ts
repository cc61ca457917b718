/**
 * The parts of `@huggingface/tokenizers` that are used: vocabulary models, and the translation of regular expressions. The
 * package's own declarations do not resolve under Node's rules for modules, so what is used of them stands here.
 */
import * as library from '@huggingface/tokenizers'

/** Divides pieces into tokens of the vocabulary. */
export interface LibraryModel {
  (pieces: readonly string[]): string[]
  readonly tokens_to_ids: ReadonlyMap<string, number>
  readonly unk_token_id: number | undefined
}

interface Library {
  readonly BPE: new (config: unknown) => LibraryModel
  readonly WordPiece: new (config: unknown) => LibraryModel
  readonly ReplaceNormalizer: new (config: unknown) => { readonly pattern: RegExp | null }
  readonly SplitPreTokenizer: new (config: unknown) => { readonly pattern: RegExp | null }
}

export const { BPE, WordPiece, ReplaceNormalizer, SplitPreTokenizer } = library as unknown as Library
