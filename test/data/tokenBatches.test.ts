import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { InternalError } from '#graft/base/errors.js'
import { Random } from '#graft/base/random.js'
import {
  arrangeByLength,
  bucketFor,
  chooseBuckets,
  firstPieces,
  padTexts,
  tokenizeTexts,
} from '#graft/data/tokenBatches.js'
import { loadTokenizer } from '#graft/data/tokenizer.js'

const tokenizer = loadTokenizer({ tokenizer: readFileSync('backbones/all-minilm-l6-v2/tokenizer.json', 'utf8') })
const texts = ['hello', 'hello world hello world', 'a', 'world '.repeat(30)]
const samples = texts.map((text, i) => ({ id: `#${i}`, text }))

test('texts are tokenized once, cut and counted; of large data only the lengths stay', async () => {
  let done = 0
  const all = await tokenizeTexts(samples, tokenizer, { maxLength: 10, onProgress: (n) => (done += n) })
  assert.deepEqual([...all.lengths], [3, 6, 3, 10])
  assert.deepEqual([all.truncated, all.longest, done], [1, 32, 4])
  const few = await tokenizeTexts(samples, tokenizer, { maxLength: 10, keep: 5 })
  for (const i of [3, 0, 1]) assert.deepEqual(few.tokensOf(i), all.tokensOf(i))
  assert.throws(() => few.tokensOf(4), InternalError)
  const stopped = new AbortController()
  stopped.abort(new Error('stopped'))
  const many = Array.from({ length: 600 }, () => ({ id: '', text: 'a' }))
  await assert.rejects(tokenizeTexts(many, tokenizer, { maxLength: 10, signal: stopped.signal }), /stopped/)
})

test('buckets are the lengths with which the least is padded', () => {
  const random = new Random(3, 'buckets')
  const cost = (lengths: number[], buckets: readonly number[]) =>
    lengths.reduce((sum, length) => sum + bucketFor(buckets, length), 0)
  for (const most of [1, 2, 3]) {
    const lengths = Array.from({ length: 40 }, () => 1 + Math.floor(60 * random.uniform() ** 3))
    const found = chooseBuckets(lengths, 1000, most)
    assert.ok(found.length <= most)
    const top = Math.ceil(Math.max(...lengths) / 8) * 8
    assert.equal(found.at(-1), top)
    let best = Number.POSITIVE_INFINITY
    for (let a = 8; a <= top; a += 8)
      for (let b = a; b <= top; b += 8)
        best = Math.min(best, cost(lengths, most === 1 ? [top] : most === 2 ? [a, top] : [a, b, top]))
    assert.equal(cost(lengths, found), best, `${found}`)
  }
  assert.deepEqual(chooseBuckets([3, 3, 3], 512), [8])
  assert.deepEqual(chooseBuckets([3, 77], 77), [8, 77])
  assert.deepEqual(chooseBuckets([], 512), [8])
})

test('an epoch keeps every sample, and texts of like length stand together', () => {
  const random = new Random(1, 'order')
  const lengths = Int32Array.from({ length: 1000 }, () => 3 + random.integer(60))
  const order = random.permutation(1000)
  const arranged = arrangeByLength(order, lengths, 16)
  assert.deepEqual(
    [...arranged].sort((a, b) => a - b),
    [...order].sort((a, b) => a - b),
  )
  assert.deepEqual(arrangeByLength(order, lengths, 16), arranged)
  const padding = (o: Int32Array) => {
    let sum = 0
    for (let at = 0; at < o.length; at += 16) {
      const batch = [...o.slice(at, at + 16)].map((i) => lengths[i] as number)
      sum += batch.length * Math.max(...batch)
    }
    return sum / lengths.reduce((a, b) => a + b, 0)
  }
  assert.ok(padding(arranged) < 1.1 && padding(order) > 1.5, `${padding(arranged)} ${padding(order)}`)
  // The shortest batch does not always come first.
  const first = [...arranged.slice(0, 160)].map((i) => lengths[i] as number)
  assert.ok(first.some((length, i) => i > 0 && length < (first[i - 1] as number)))
  // What does not fill a batch comes last, as it stood.
  assert.deepEqual(arranged.slice(992), order.slice(992))
  // Another order, other batches.
  assert.notDeepEqual(arrangeByLength(random.permutation(1000), lengths, 16), arranged)
})

test('padding is masked, and the first piece of each word is marked', () => {
  const rows = [
    tokenizer.encode({ text: '', words: ['tokenizers', '', 'hello'] }),
    tokenizer.encode({ text: '', words: ['a'] }),
  ]
  const { ids, mask, types, words } = padTexts(rows, 8, 0)
  assert.deepEqual([...ids].map(Number), [101, 19204, 17629, 2015, 7592, 102, 0, 0, 101, 1037, 102, 0, 0, 0, 0, 0])
  assert.deepEqual([...mask].map(Number), [1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0])
  assert.ok(types.every((t) => t === 0n))
  assert.deepEqual([...(words ?? [])], [-1, 0, -1, -1, 2, -1, -1, -1, -1, 0, -1, -1, -1, -1, -1, -1])
  assert.deepEqual(firstPieces(rows[0]!), [
    [1, 0],
    [4, 2],
  ])
  assert.equal(padTexts([tokenizer.encode({ text: 'a' })], 8, 0).words, undefined)
  assert.throws(() => padTexts(rows, 5, 0), InternalError)
})
