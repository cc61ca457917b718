/** Tokens are those of Python's tokenizers, on lines of every kind; test/data/tokenizers/make.py wrote what it makes of them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { GraftError } from '#graft/base/errors.js'
import { loadTokenizer, type Tokenizer, type Tokens } from '#graft/data/tokenizer.js'
import { textLines } from '../support/textLines.js'

const COUNT = 10_000
const PAIRS = 500
const lines = textLines(COUNT, 1)
const unzipped = (name: string): Buffer => gunzipSync(readFileSync(`test/data/tokenizers/${name}.gz`))

function fixture(name: string): Tokenizer {
  if (name === 'bundled')
    return loadTokenizer({ tokenizer: readFileSync('backbones/all-minilm-l6-v2/tokenizer.json', 'utf8') })
  const rules = unzipped('nmt_nfkc').toString('base64')
  return loadTokenizer({ tokenizer: unzipped(`${name}.json`).toString().replace('nmt_nfkc.gz', rules) })
}

/** FNV-1a over int32, folded to 16 bits. */
function folded(ids: readonly number[] | Int32Array): number {
  let hash = 0x811c9dc5
  for (const byte of new Uint8Array(Int32Array.from(ids).buffer)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return (hash >>> 16) ^ (hash & 0xffff)
}

/** How many lines are compared: all for one of each kind of model, fewer for its variants. */
const TOKENIZERS: readonly (readonly [string, string, number])[] = [
  ['bundled', 'WordPiece, lower case', COUNT],
  ['bertCased', 'WordPiece, cased', 2500],
  ['plainWordPiece', 'WordPiece after other rules', 2500],
  ['roberta', 'byte pairs of bytes', COUNT],
  ['gpt2', 'byte pairs of bytes after a space, added tokens', 2500],
  ['modern', 'byte pairs after a regular expression', 2500],
  ['byteFallback', 'byte pairs of characters, else bytes', 2500],
  ['deberta', 'unigram, SentencePiece rules', COUNT],
  ['albert', 'unigram, several rules', 2500],
]

for (const [name, what, count] of TOKENIZERS)
  test(`tokens are those of Python: ${what}`, () => {
    const tokenizer = fixture(name)
    const bytes = unzipped(`${name}.expected`)
    const expected = (i: number) => bytes.readUInt16LE(2 * i)
    for (let i = 0; i < count; i++) {
      const text = lines[i] as string
      const { ids } = tokenizer.encode({ text })
      assert.equal(folded(ids), expected(i), `line ${i}: ${JSON.stringify(text)} became ${ids.join(' ')}`)
    }
    for (let i = 0; i < PAIRS; i++) {
      const { ids, types } = tokenizer.encode({ text: lines[i] as string, pair: lines[i + 1] as string }, 40)
      assert.equal(folded([...ids, ...types]), expected(COUNT + i), `pair ${i}`)
    }
  })

test('words given one by one are the tokens of the words with spaces between them', () => {
  const isPlain = (line: string) => /^[\p{L}\p{N}.,!?' -]+$/u.test(line) && !line.includes('EXTRA')
  const plain = lines.filter(isPlain).slice(0, 300)
  assert.ok(plain.length > 200)
  for (const [name] of TOKENIZERS) {
    // Its rule puts a mark before every text, so before every word.
    if (name === 'byteFallback') continue
    const tokenizer = fixture(name)
    for (const line of plain) {
      const words = line.split(' ').filter((word) => word !== '')
      if (words.length === 0) continue
      const joined = tokenizer.encode({ text: words.join(' ') })
      const found: Tokens = tokenizer.encode({ text: '', words })
      assert.deepEqual(found.ids, joined.ids, `${name}: ${line}`)
      const seen = [...(found.words as Int32Array)].filter((word) => word >= 0)
      assert.deepEqual(
        seen,
        seen.toSorted((a, b) => a - b),
      )
      assert.equal(new Set(seen).size, words.length, `${name}: ${line}`)
    }
    assert.deepEqual(
      tokenizer.encode({ text: '', words: ['a', '', 'b'] }).ids,
      tokenizer.encode({ text: 'a b' }).ids,
      `${name}: an empty word`,
    )
  }
})

test('files that are damaged, or ask for what is not computed, are refused with the part', () => {
  const bare = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null }
  const model = { type: 'WordLevel', vocab: { a: 0, b: 1, '?': 2 }, unk_token: '?' }
  const refused = (json: unknown, pattern: RegExp) =>
    assert.throws(
      () => loadTokenizer({ tokenizer: typeof json === 'string' ? json : JSON.stringify(json), name: 'it' }),
      (error) => error instanceof GraftError && pattern.test(error.message) && error.remedy !== undefined,
      String(pattern),
    )
  refused('{', /it is not valid JSON/)
  refused([], /is not an object/)
  refused(bare, /model is missing/)
  refused({ ...bare, model: { type: 'Morse' } }, /the model Morse/)
  refused({ ...bare, model: { type: 'BPE' } }, /the vocabulary is missing/)
  refused({ ...bare, model: { type: 'Unigram', vocab: [['a']] } }, /entry 0 of the vocabulary/)
  refused({ ...bare, model, normalizer: { type: 'Rot13' } }, /the normalizer Rot13/)
  refused({ ...bare, model, pre_tokenizer: { type: 'UnicodeScripts' } }, /the pre-tokenizer UnicodeScripts/)
  refused({ ...bare, model, post_processor: { type: 'Other' } }, /the post-processor Other/)
  refused({ ...bare, model, normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } }, /precompiled_charsmap/)
  refused({ ...bare, model, added_tokens: [{ content: '[X]' }] }, /an added token has no id/)
  const words = loadTokenizer({
    tokenizer: JSON.stringify({ ...bare, model, pre_tokenizer: { type: 'WhitespaceSplit' } }),
  })
  assert.deepEqual([...words.encode({ text: 'a c b' }).ids], [0, 2, 1])
  const nothing = { type: 'BPE', vocab: { a: 0 }, merges: [] }
  const narrow = loadTokenizer({ tokenizer: JSON.stringify({ ...bare, model: nothing }) })
  assert.deepEqual([...narrow.encode({ text: 'aa' }).ids], [0, 0])
})
