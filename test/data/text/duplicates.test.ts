/** Copies of texts: exact, of the same words, and near; conflicts, leaks, and nothing where texts only resemble. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { Random } from '#graft/base/random.js'
import { splitSamples } from '#graft/data/splitSamples.js'
import { findTextDuplicates } from '#graft/data/text/duplicates.js'
import { textFingerprint } from '#graft/data/text/fingerprint.js'
import type { TextItem } from '#graft/data/text/options.js'
import { texts } from '#graft/data/text/texts.js'
import { jaccard, plainWords, shingles } from '#graft/data/text/words.js'
import { temporaryFolder, write } from '../folders.js'
import { parquetBytes } from '../table/parquetFiles.js'

const of = async (items: TextItem[]) => findTextDuplicates(await texts(items))
const labelled = (...given: (readonly [string, string])[]) => given.map(([text, label]) => ({ text, label }))

test('exact copies and copies of the same words', async () => {
  const found = await of(
    labelled(
      ['Good film', 'a'],
      ['bad film', 'b'],
      ['Good film', 'a'],
      ['good, FILM!', 'a'],
      ['ｇｏｏｄ film', 'a'],
      ['film good', 'a'],
    ),
  )
  assert.deepEqual(found.groups, [{ members: [0, 2, 3, 4], exact: false }])
  assert.deepEqual([...found.groupOf], [0, 1, 0, 0, 0, 5])
  assert.deepEqual([found.conflicts, found.leaks], [[], []])
  assert.deepEqual(found.warnings, [
    '3 texts are near copies of another, for instance #0 ("Good film"), #2 ("Good film"), #3 ("good, FILM!") and 1 more. Copies are kept on one side of the split.',
  ])
  assert.equal((await of(labelled(['x', 'a'], ['x', 'a'], ['y', 'b']))).groups[0]!.exact, true)
})

test('copies under different labels are conflicts; near copies are none', async () => {
  const long =
    'I would recommend this little place at the corner of the street to each and every one of my many friends'
  const found = await of(
    labelled(['Fine.', 'a'], ['fine', 'b'], [long, 'a'], [long.replace('I would', 'I would not'), 'b']),
  )
  assert.deepEqual(
    found.groups.map(({ members }) => members),
    [
      [0, 1],
      [2, 3],
    ],
  )
  assert.deepEqual(
    found.conflicts.map(({ members }) => members),
    [[0, 1]],
  )
  assert.match(
    found.warnings.join('\n'),
    /1 text has copies under different labels: #0 \("Fine\."\) \(a\), #1 \("fine"\) \(b\)\. Correct the labels/,
  )
  const numbers = await findTextDuplicates(
    await texts(
      [
        { text: 'a', label: 1.5 },
        { text: 'a', label: 2.25 },
        { text: 'b', label: 3 },
      ],
      { target: 'number' },
    ),
  )
  assert.equal(numbers.conflicts.length, 1)
  const several = await of([
    { text: 'a', label: ['x', 'y'] },
    { text: 'a', label: ['y', 'x'] },
    { text: 'b', label: ['x'] },
  ])
  assert.equal(several.conflicts.length, 0)
})

test('copies on both sides of a given split are leaks', async () => {
  const found = await of([
    { text: 'One text', label: 'a', split: 'train' },
    { text: 'one text', label: 'a', split: 'test' },
    { text: 'other', label: 'b', split: 'train' },
  ])
  assert.equal(found.leaks.length, 1)
  assert.match(
    found.warnings.join('\n'),
    /1 text lies on both sides of the given split, .*: #0 \("One text"\) \(train\), #1 \("one text"\) \(test\)/,
  )
})

test('pairs are compared as pairs', async () => {
  const data = [
    { text: 'a b', pair: 'c', label: 'x' },
    { text: 'a', pair: 'b c', label: 'y' },
    { text: 'A, b', pair: 'C', label: 'x' },
  ]
  assert.deepEqual(
    (await findTextDuplicates(await texts(data, { pair: 'pair' }))).groups.map(({ members }) => members),
    [[0, 2]],
  )
})

/** Groups by comparing all with all. */
function allPairs(list: readonly string[]): number[] {
  const words = list.map(plainWords)
  const group = list.map((_, i) => i)
  for (let i = 0; i < list.length; i++)
    for (let j = 0; j < i; j++) {
      const same = words[i]!.join(' ') === words[j]!.join(' ')
      const near =
        Math.min(words[i]!.length, words[j]!.length) >= 6 && jaccard(shingles(words[i]!), shingles(words[j]!)) >= 0.8
      if (same || near) {
        const [from, to] = [Math.max(group[i]!, group[j]!), Math.min(group[i]!, group[j]!)]
        for (let k = 0; k < group.length; k++) if (group[k] === from) group[k] = to
      }
    }
  return group
}

test('the near copies are those that comparing all with all gives', async () => {
  const random = new Random(5)
  const word = () => `w${random.integer(300)}`
  const list: string[] = []
  for (let i = 0; i < 300; i++) {
    const words = Array.from({ length: 3 + random.integer(40) }, word)
    list.push(words.join(' '))
    if (i % 3 > 0) continue
    // A copy with a few words changed, dropped or added.
    for (let change = 0; change < 1 + (i % 4); change++) {
      const at = random.integer(words.length)
      words.splice(at, random.integer(2), ...(random.uniform() < 0.5 ? [word()] : []))
    }
    if (words.length > 0) list.push(words.join(' '))
  }
  const found = await of(list.map((text) => ({ text, label: 'a' })).concat({ text: 'z', label: 'b' }))
  const expected = allPairs(list)
  // Banding misses one in sixty at the threshold itself and joins nothing that is not near.
  const missed = expected.filter((group, i) => found.groupOf[i] !== group)
  assert.ok(missed.length <= 1, `${missed.length} of ${expected.length} differ`)
  assert.ok(expected.filter((group, i) => group !== i).length > 30)
  for (const [i, group] of found.groupOf.entries()) if (i < list.length && group !== i) assert.notEqual(expected[i], i)
})

test('shingles and their share, by hand', () => {
  assert.equal(jaccard(shingles(['a', 'b', 'c']), shingles(['a', 'b', 'd'])), 1 / 3)
  assert.equal(shingles(['a', 'b', 'a', 'b']).size, 2)
  assert.deepEqual(plainWords("Don't, 東京 ÉTÉ 😀!"), ['don', 't', '東', '京', 'été', '😀'])
  assert.deepEqual(plainWords(' ?! '), ['?!'])
})

test('splits never put copies on both sides', async () => {
  const item = fc.record({
    text: fc.constantFrom('a', 'A', 'a!', 'b', 'c d', 'C, d', 'e'),
    label: fc.constantFrom('x', 'y'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 30 }), fc.integer(), async (items, seed) => {
      const data = await texts(items)
      const { groupOf } = await findTextDuplicates(data)
      const { train } = splitSamples({
        targets: data.targets,
        groups: groupOf,
        validation: 0.3,
        test: 0.2,
        random: new Random(seed),
      })
      const words = (i: number) => plainWords(data.samples.at(i)!.text).join(' ')
      const inside = new Set(Array.from(train, words))
      for (let i = 0; i < data.samples.length; i++) if (!train.includes(i)) assert.ok(!inside.has(words(i)))
    }),
    { numRuns: 100 },
  )
})

test('a fingerprint is of what is said, not of where it stands', async () => {
  const root = temporaryFolder()
  const print = async (name: string, content: string | Uint8Array, options = {}) => {
    write(root, name, content)
    return textFingerprint(await texts(join(root, name), options))
  }
  const csv = await print('a.csv', 'text,label\nGood,x\nBad,y\n')
  assert.match(csv, /^[0-9a-f]{64}$/)
  assert.equal(await print('b.json', '[{"label": "x", "text": "Good"}, {"label": "y", "text": "Bad"}]'), csv)
  const others = [
    'text,label\nGood,x\nBad ,y\n',
    'text,label\nGood,y\nBad,x\n',
    'text,label\nBad,y\nGood,x\n',
    'text,label,split\nGood,x,test\nBad,y,\n',
  ]
  const prints = await Promise.all(others.map((content, i) => print(`${i}.csv`, content)))
  assert.equal(new Set([csv, ...prints]).size, 5)
  assert.notEqual(
    await print('n.csv', 'text,n\na,1.5\nb,2.5\n', { target: 'number' }),
    await print('o.csv', 'text,n\na,1.5\nb,2.75\n', { target: 'number' }),
  )
  assert.notEqual(
    await print('t.parquet', parquetBytes('tokens')),
    await print('m.parquet', parquetBytes('multiLabel')),
  )
})

const shared = '../shared/data'
const missing = existsSync(shared) ? false : 'the shared data sets are not here'

test('real data: repeated sentences and tweets', { skip: missing }, async () => {
  const data = await texts(join(shared, 'reviews'))
  const reviews = await findTextDuplicates(data)
  const first = new Map<string, number>()
  let repeated = 0
  for (const [i, { text }] of [...data.samples].entries()) {
    const seen = first.get(text)
    if (seen === undefined) first.set(text, i)
    else {
      repeated++
      assert.equal(reviews.groupOf[i], reviews.groupOf[seen])
    }
  }
  assert.ok(repeated > 10)
  for (const { members } of reviews.groups)
    assert.equal(new Set(members.map((i) => plainWords(data.samples.at(i)!.text).join(' ').slice(0, 4))).size, 1)
  const tweets = await findTextDuplicates(await texts(join(shared, 'tweets/tweets.csv')))
  assert.match(tweets.warnings.join('\n'), /copies under different labels/)
})
