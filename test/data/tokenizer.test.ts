import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { UsageError } from '#graft/base/errors.js'
import { loadTokenizer } from '#graft/data/tokenizer.js'

const folder = 'backbones/all-minilm-l6-v2'
const miniLM = loadTokenizer({
  tokenizer: readFileSync(`${folder}/tokenizer.json`, 'utf8'),
  config: JSON.parse(readFileSync(`${folder}/tokenizer_config.json`, 'utf8')) as Record<string, unknown>,
})
const CLS = 101
const SEP = 102

test('what a tokenizer says of itself', () => {
  assert.deepEqual(
    [miniLM.kind, miniLM.size, miniLM.padId, miniLM.maskId, miniLM.modelMaxLength, miniLM.specials],
    ['WordPiece', 30522, 0, 103, 512, { single: 2, pair: 3 }],
  )
  assert.deepEqual([miniLM.idOf('hello'), miniLM.tokenOf(7592), miniLM.tokenOf(CLS)], [7592, 'hello', '[CLS]'])
})

test('a text, a pair, and special tokens written in a text', () => {
  // Computed with Python's tokenizers.
  assert.deepEqual([...miniLM.encode({ text: 'Hello wörld' }).ids], [CLS, 7592, 2088, SEP])
  const pair = miniLM.encode({ text: 'hello [MASK]', pair: 'world' })
  assert.deepEqual([...pair.ids], [CLS, 7592, 103, SEP, 2088, SEP])
  assert.deepEqual([...pair.types], [0, 0, 0, 0, 1, 1])
  assert.equal(pair.words, undefined)
})

test('texts are cut to a length, the longer of a pair first, and say how long they were', () => {
  const single = miniLM.encode({ text: 'hello hello hello hello' }, 5)
  assert.deepEqual([...single.ids], [CLS, 7592, 7592, 7592, SEP])
  assert.equal(single.fullLength, 6)
  const lengths = (a: number, b: number, most: number) => {
    const { types } = miniLM.encode({ text: 'hello '.repeat(a), pair: 'world '.repeat(b) }, most)
    const second = types.reduce((sum, t) => sum + t, 0)
    return [types.length - second - 2, second - 1]
  }
  // Python's: (n1, n2) after truncation to 10 tokens, 3 of them special.
  assert.deepEqual(lengths(2, 20, 10), [2, 5])
  assert.deepEqual(lengths(20, 2, 10), [5, 2])
  assert.deepEqual(lengths(20, 20, 10), [3, 4])
  assert.deepEqual(lengths(21, 20, 10), [4, 3])
  assert.deepEqual(lengths(4, 4, 10), [3, 4])
  assert.deepEqual(lengths(3, 4, 10), [3, 4])
  assert.throws(() => miniLM.encode({ text: 'hello' }, 2), UsageError)
})

test('words keep their tokens together, and say which they are', () => {
  const { ids, words } = miniLM.encode({ text: '', words: ['Hello', '', 'tokenizers', '!'] })
  assert.deepEqual([...ids], [CLS, 7592, 19204, 17629, 2015, 999, SEP])
  assert.deepEqual([...(words ?? [])], [-1, 0, 2, 2, 2, 3, -1])
})

test('half a character does not fail', () => {
  assert.deepEqual(miniLM.encode({ text: 'a\ud83d b\ude00' }).ids, miniLM.encode({ text: 'a\ufffd b\ufffd' }).ids)
})
