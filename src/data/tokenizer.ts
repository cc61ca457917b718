/**
 * Texts to the numbers of tokens, as Hugging Face's tokenizers computes them in Python: from the same `tokenizer.json`, to the
 * same ids. The steps are those of that library: added tokens, normalisation, pre-tokens, the model's pieces, truncation, the
 * template of special tokens. WordPiece, byte pairs and the reading of regular expressions are those of its JavaScript port,
 * `@huggingface/tokenizers`; what differs there from Python is written here.
 */
import { sha256 } from '#platform'
import { GraftError, messageOf, UsageError } from '../base/errors.js'
import { readAddedTokens, type Section, type Sections, sectionFinder } from './tokenizer/addedTokens.js'
import { asPart, isPart, type Part } from './tokenizer/json.js'
import { normalizer } from './tokenizer/normalizers.js'
import { type ModelKind, pieces } from './tokenizer/pieces.js'
import { preTokenizer, tellsSpaces } from './tokenizer/preTokenizers.js'
import { type TemplateItem, template } from './tokenizer/template.js'

/** What is tokenized: a text, two of them, or words that were divided before. A `TextSample` is one. */
export interface Tokenizable {
  readonly text: string
  readonly pair?: string | undefined
  /** Used instead of `text`; the tokens are those of the words with spaces between them, and say which word they belong to. */
  readonly words?: readonly string[] | undefined
}

export interface Tokens {
  /** (T), special tokens included. */
  readonly ids: Int32Array
  /** (T), 0 or 1: which text a token belongs to, as the template says. */
  readonly types: Uint8Array
  /** (T), where words were given: the index of the word that a token belongs to, -1 for special tokens. */
  readonly words: Int32Array | undefined
  /** How many tokens it would be without truncation. */
  readonly fullLength: number
}

export interface Tokenizer {
  readonly kind: ModelKind
  /** Tokens in the vocabulary, with the added ones. */
  readonly size: number
  /** What fills short texts up. The attention mask hides it. */
  readonly padId: number
  /** `[MASK]` or what stands for it. */
  readonly maskId: number | undefined
  /** Tokens that the network was made for at most, where the configuration says it. */
  readonly modelMaxLength: number | undefined
  /** Special tokens around one text, and around two. */
  readonly specials: { readonly single: number; readonly pair: number }
  /** SHA-256 of what decides the tokens. */
  readonly key: string
  /**
   * @param maxLength tokens at most, special ones included; the longer text of a pair is cut first. Default: no limit
   * @throws GraftError where a text holds something that the vocabulary cannot express
   */
  encode(sample: Tokenizable, maxLength?: number): Tokens
  idOf(token: string): number | undefined
  /** The token of a number; undefined where there is none. */
  tokenOf(id: number): string | undefined
}

export interface TokenizerFiles {
  /** The content of `tokenizer.json`. */
  readonly tokenizer: string
  /** The parsed `tokenizer_config.json`. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /** The parsed `special_tokens_map.json`, asked where the configuration names no padding. */
  readonly specialTokens?: Readonly<Record<string, unknown>> | undefined
  /** How messages call the file. @default 'tokenizer.json' */
  readonly name?: string | undefined
}

/** @throws GraftError where the file is damaged, or uses a step that Graft does not compute */
export function loadTokenizer(files: TokenizerFiles): Tokenizer {
  const name = files.name ?? 'tokenizer.json'
  let json: Part
  try {
    json = asPart(JSON.parse(files.tokenizer), 'the file')
  } catch (error) {
    throw new GraftError(`${name} is not valid JSON: ${messageOf(error)}.`, {
      remedy: 'Copy the file again from where the model came from.',
      cause: error,
    })
  }
  try {
    return build(json, files)
  } catch (error) {
    if (error instanceof GraftError) throw error
    throw new GraftError(`${name} cannot be read: ${messageOf(error)}.`, {
      remedy: 'Copy the file again from where the model came from.',
      cause: error,
    })
  }
}

/** One of the texts, tokenized. */
interface Line {
  ids: number[]
  words: number[]
}

const partOf = (json: Part, name: string): Part | null => (json[name] == null ? null : asPart(json[name], name))

function build(json: Part, files: TokenizerFiles): Tokenizer {
  const config = files.config ?? {}
  const added = readAddedTokens(json.added_tokens)
  const vocabulary = pieces(asPart(json.model, 'model'))
  const byContent = new Map(added.map((token) => [token.content, token.id]))
  const idOf = (token: string): number | undefined => byContent.get(token) ?? vocabulary.idOf(token)
  const normalize = normalizer(partOf(json, 'normalizer'))
  const divide = preTokenizer(partOf(json, 'pre_tokenizer'))
  const raw = sectionFinder(
    added.filter((token) => !token.normalized),
    (content) => content,
  )
  const normalized = sectionFinder(
    added.filter((token) => token.normalized),
    normalize,
  )
  const frame = template(partOf(json, 'post_processor'), idOf)
  const fromLeft = config.truncation_side === 'left'

  const spaced = tellsSpaces(partOf(json, 'pre_tokenizer'))
  const add = (line: Line, word: number, text: string): void => {
    const put = (ids: readonly number[]) => {
      for (const id of ids) {
        line.ids.push(id)
        line.words.push(word)
      }
    }
    for (const section of raw(text)) {
      if ('token' in section) put([section.token.id])
      else
        for (const inner of within(normalized, normalize(section.text)))
          if ('token' in inner) put([inner.token.id])
          else
            for (const piece of divide({ text: inner.text, first: section.start === 0 && inner.start === 0 }))
              put(vocabulary.encode(piece.text))
    }
  }
  const tokensOf = (text: string): Line => {
    const line: Line = { ids: [], words: [] }
    add(line, 0, wellFormed(text))
    return line
  }
  const wordTokensOf = (words: readonly string[]): Line => {
    const line: Line = { ids: [], words: [] }
    words.forEach((word, i) => {
      add(line, i, wellFormed(spaced && i > 0 && word !== '' ? ` ${word}` : word))
    })
    return line
  }

  const specialsOf = (items: readonly TemplateItem[]) =>
    items.reduce((sum, item) => sum + (item.kind === 'special' ? item.ids.length : 0), 0)
  const specials = { single: specialsOf(frame.single), pair: specialsOf(frame.pair) }
  const tokenOfId = tokenNames(json, added)

  return {
    kind: vocabulary.kind,
    size: vocabulary.size + added.filter((token) => vocabulary.idOf(token.content) === undefined).length,
    padId: paddingId(json, files, idOf),
    maskId: namedToken(config.mask_token, idOf) ?? namedToken(files.specialTokens?.mask_token, idOf),
    modelMaxLength: lengthOf(config.model_max_length),
    specials,
    key: sha256(
      JSON.stringify([json.model, json.added_tokens, json.normalizer, json.pre_tokenizer, json.post_processor]),
    ),
    idOf,
    tokenOf: (id) => tokenOfId().get(id),
    encode({ text, pair, words }, maxLength = Number.POSITIVE_INFINITY) {
      const lines = [words === undefined ? tokensOf(text) : wordTokensOf(words)]
      if (pair !== undefined) lines.push(tokensOf(pair))
      const around = pair === undefined ? specials.single : specials.pair
      const room = maxLength - around
      if (room < lines.length)
        throw new UsageError(
          `Texts are cut to ${maxLength} tokens, of which ${around} are special: no room for the text.`,
          { remedy: `Allow at least ${around + lines.length} tokens (--max-length).` },
        )
      const fullLength = lines.reduce((sum, line) => sum + line.ids.length, around)
      if (fullLength > maxLength) truncate(lines, room, fromLeft)
      return { ...framed(pair === undefined ? frame.single : frame.pair, lines, words !== undefined), fullLength }
    },
  }
}

const within = (sections: Sections, text: string): readonly Section[] => (text === '' ? [] : sections(text))

/** Half of a character that takes two units cannot be written in UTF-8. */
const wellFormed = (text: string): string =>
  text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')

/** Longest first: two texts are cut to one length, or only the longer one where the other is short enough. */
function truncate(lines: readonly Line[], room: number, fromLeft: boolean): void {
  const [a, b] = lines as [Line, Line | undefined]
  const lengths = [Math.min(a.ids.length, room)]
  if (b !== undefined) {
    const swap = a.ids.length > b.ids.length
    let short = Math.min(a.ids.length, b.ids.length)
    let long = short > room ? short : Math.max(short, room - short)
    if (short + long > room) {
      short = Math.floor(room / 2)
      long = short + (room % 2)
    }
    lengths.splice(0, 1, ...(swap ? [long, short] : [short, long]))
  }
  lines.forEach((line, i) => {
    const length = Math.min(line.ids.length, lengths[i] as number)
    const start = fromLeft ? line.ids.length - length : 0
    line.ids = line.ids.slice(start, start + length)
    line.words = line.words.slice(start, start + length)
  })
}

function framed(
  items: readonly TemplateItem[],
  lines: readonly Line[],
  withWords: boolean,
): Omit<Tokens, 'fullLength'> {
  const ids: number[] = []
  const types: number[] = []
  const words: number[] = []
  for (const item of items) {
    const line = item.kind === 'text' ? (lines[item.which] as Line) : undefined
    const own = item.kind === 'text' ? (line as Line).ids : item.ids
    for (const [i, id] of own.entries()) {
      ids.push(id)
      types.push(item.type)
      words.push(line === undefined || item.kind !== 'text' || item.which === 1 ? -1 : (line.words[i] as number))
    }
  }
  return {
    ids: Int32Array.from(ids),
    types: Uint8Array.from(types),
    words: withWords ? Int32Array.from(words) : undefined,
  }
}

/** `"[PAD]"`, or an object with its content. */
function namedToken(value: unknown, idOf: (token: string) => number | undefined): number | undefined {
  const content = isPart(value) ? value.content : value
  return typeof content === 'string' ? idOf(content) : undefined
}

function paddingId(json: Part, files: TokenizerFiles, idOf: (token: string) => number | undefined): number {
  const padding = isPart(json.padding) ? json.padding.pad_id : undefined
  const { config = {}, specialTokens = {} } = files
  const named = namedToken(config.pad_token, idOf) ?? namedToken(specialTokens.pad_token, idOf)
  if (named !== undefined) return named
  if (typeof padding === 'number') return padding
  // Where there is no token for it, any will do: the mask hides it. The end of the text is what others take.
  return namedToken(config.eos_token, idOf) ?? 0
}

/** Where there is no limit, files say 10^30. */
function lengthOf(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 && value < 2 ** 31 ? Math.floor(value) : undefined
}

/** The vocabulary the other way round, made when it is first asked for. */
function tokenNames(json: Part, added: readonly { id: number; content: string }[]): () => ReadonlyMap<number, string> {
  let names: Map<number, string> | undefined
  return () => {
    if (names !== undefined) return names
    names = new Map()
    const vocab = isPart(json.model) ? json.model.vocab : undefined
    if (Array.isArray(vocab)) for (const [i, entry] of vocab.entries()) names.set(i, String((entry as unknown[])[0]))
    else if (isPart(vocab)) for (const [token, id] of Object.entries(vocab)) names.set(Number(id), token)
    for (const { id, content } of added) names.set(id, content)
    return names
  }
}
