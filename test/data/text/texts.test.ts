/** Data sets of texts: which columns, what labels, what is left out, and how all of that is said. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Targets } from '#graft/data/targets.js'
import { countOf } from '#graft/data/targets.js'
import { detectKind } from '#graft/data/text/kind.js'
import type { TextsOptions } from '#graft/data/text/options.js'
import { checkTextsTrainable } from '#graft/data/text/targetWarnings.js'
import { texts } from '#graft/data/text/texts.js'
import type { TextDataset } from '#graft/data/text/types.js'
import { temporaryFolder, write, writePhotos } from '../folders.js'
import { parquetBytes } from '../table/parquetFiles.js'

const root = temporaryFolder()
let files = 0

function csv(content: string | Uint8Array, options: TextsOptions = {}, ending = 'csv'): Promise<TextDataset> {
  const name = `${++files}.${ending}`
  write(root, name, content)
  return texts(join(root, name), options)
}

const rows = (header: string, ...lines: string[]) => `${[header, ...lines].join('\n')}\n`

/** Column of each role, for comparison. */
function roles(data: TextDataset): Record<string, string> {
  return Object.fromEntries(data.columns.map(({ role, column }) => [role, column]))
}

function labelsOf({ targets }: TextDataset): unknown[] {
  if (targets === undefined) return []
  switch (targets.kind) {
    case 'number':
      return [...targets.values]
    case 'token-labels':
      return targets.labels.map((labels) => Array.from(labels, (label) => targets.classes[label]))
    case 'multi-label': {
      const { classes, labels } = targets
      const rows = Array.from({ length: countOf(targets) }, (_, row) => row)
      return rows.map((row) => classes.filter((_, c) => labels[row * classes.length + c] === 1))
    }
    default:
      return Array.from(targets.labels, (label) => targets.classes[label])
  }
}

const kindOf = (data: TextDataset): Targets['kind'] | undefined => data.targets?.kind

test('a CSV of texts and labels', async () => {
  const data = await csv(rows('text,label,split', 'Good,pos,train', '"Bad, so bad",neg,TEST', 'Fine,pos,'))
  assert.deepEqual(
    [...data.samples],
    [
      { id: `${files}.csv:2`, text: 'Good', split: 'train' },
      { id: `${files}.csv:3`, text: 'Bad, so bad', split: 'test' },
      { id: `${files}.csv:4`, text: 'Fine' },
    ],
  )
  assert.deepEqual(data.targets, { kind: 'single-label', classes: ['neg', 'pos'], labels: Int32Array.of(1, 0, 1) })
  assert.deepEqual(roles(data), { text: 'text', label: 'label', split: 'split' })
  assert.ok(data.columns.every(({ guessed }) => guessed))
  assert.deepEqual(data.notes, [
    'Texts are read from "text", by its name.',
    'Labels are read from "label", by its name.',
    'Parts (train, validation, test) are read from "split", by its name and its values.',
    '"label" has one class a text (neg, pos): values are words.',
  ])
  assert.deepEqual(data.skipped, [])
})

test('columns by name, by a word in a name, and by content', async () => {
  const cases: [string, Record<string, string>][] = [
    [rows('ReviewText,Stars', 'Nice place,5', 'Awful,1', 'So so,3'), { text: 'ReviewText', label: 'Stars' }],
    [
      rows('id,customer message,airline_sentiment', '1,Hello there,good', '2,Never again,bad'),
      { text: 'customer message', label: 'airline_sentiment' },
    ],
    [
      rows('kommentar,urteil', 'war sehr schön,gut', 'nie wieder dort,schlecht'),
      { text: 'kommentar', label: 'urteil' },
    ],
    [
      rows('a,b,c', ...Array.from({ length: 30 }, (_, i) => `${i},a few words number ${i},${i % 3 === 0 ? 'x' : 'y'}`)),
      { text: 'b', label: 'c' },
    ],
    [
      rows('title,content,category', 'T one,Long text of an article,news', 'T two,Another text,sport'),
      { text: 'content', label: 'category' },
    ],
    [
      rows('label,label_text,text', '0,neg,bad thing', '1,pos,good thing', '0,neg,awful'),
      { text: 'text', label: 'label_text' },
    ],
    [
      rows('label,label_text,text', '0,neg,bad thing', '1,neg,good thing', '0,neg,awful'),
      { text: 'text', label: 'label' },
    ],
    [
      rows('premise,hypothesis,label', 'It rains,It is wet,yes', 'It rains,It is dry,no'),
      { text: 'premise', pair: 'hypothesis', label: 'label' },
    ],
  ]
  for (const [content, expected] of cases) assert.deepEqual(roles(await csv(content)), expected, content)
})

test('columns that were named, exactly or nearly, and the reason said', async () => {
  const content = rows('Title,Body,Stars,Topic', 'One,Long text here,5,a', 'Two,Other text here,1,b')
  const data = await csv(content, { text: 'title', pair: 'Body', label: 'topic' })
  assert.deepEqual(roles(data), { text: 'Title', pair: 'Body', label: 'Topic' })
  assert.ok(data.columns.every(({ guessed }) => !guessed))
  assert.equal(data.samples.at(0)!.pair, 'Long text here')
  assert.match(data.notes.join(' '), /Labels are read from "Topic", as was said/)
  await assert.rejects(csv(content, { label: 'kind' }), {
    name: 'GraftError',
    message: /no column "kind" \(label\); found Title, Body, Stars, Topic/,
  })
  const single = await csv(rows('premise,hypothesis,label', 'a b,c d,x', 'e f,g h,y'), { pair: false, text: 'premise' })
  assert.equal(single.samples.at(0)!.pair, undefined)
})

test('where it cannot be told, the candidates are named and none is taken', async () => {
  const two = rows('review,comment,label', 'one text here,other text here,a', 'some text,more text,b')
  await assert.rejects(csv(two), (error: Error & { remedy: string }) => {
    assert.match(
      error.message,
      /several columns could be the texts:\n {2}review: one text here · some text\n {2}comment: /,
    )
    assert.equal(error.remedy, 'Say which one: --text "review".')
    return true
  })
  await assert.rejects(
    csv(rows('text,sentiment,topic', 'x y,a,b', 'z w,c,d')),
    /could be the labels:\n {2}sentiment: a · c\n {2}topic: b · d/,
  )
  await assert.rejects(
    csv(rows('text,when,who', 'a b,10:00,x1', 'c d,11:00,x2', 'e f,12:00,x3')),
    /no column of labels found among text, when, who/,
  )
  await assert.rejects(csv(rows('a,b', '1,2', '3,4')), /no column of texts found among a, b/)
  await assert.rejects(csv(rows('text', 'a b', 'c d')), /no column of labels found among text/)
})

test('what is left out is named with its line, and `strict` refuses it', async () => {
  const content = `text,label\nGood,pos\n  ,neg\nBad,\nToo,many,fields\nfew\n"spans\nlines",neg\nFine,pos\n`
  const data = await csv(content)
  const name = `${files}.csv`
  assert.deepEqual(
    data.skipped.map(({ id, kind, reason }) => [id, kind, reason]),
    [
      [`${name}:3`, 'empty', 'has no text in "text"'],
      [`${name}:5`, 'malformed', 'has 3 fields, expected 2: a text with separators needs quotes around it'],
      [`${name}:6`, 'malformed', 'has 1 field, expected 2'],
      [`${name}:4`, 'unlabelled', 'has no label in "label"'],
    ],
  )
  assert.deepEqual(
    Array.from(data.samples, ({ id }) => id),
    [`${name}:2`, `${name}:7`, `${name}:9`],
  )
  assert.deepEqual(labelsOf(data), ['pos', 'neg', 'pos'])
  assert.match(
    data.warnings.join('\n'),
    new RegExp(`2 texts are left out \\(not shaped like the others\\): the first is ${name}:5, which has 3 fields`),
  )
  assert.match(data.warnings.join('\n'), new RegExp(`1 text is left out \\(no label\\): ${name}:4, which has no label`))
  await assert.rejects(csv(content, { strict: true }), /4 texts cannot be used\n {2}\d+\.csv:3: has no text in "text"/)
  await assert.rejects(csv(rows('text,label', ',x', 'b,')), /no text found; 2 rows were left out:/)
  await assert.rejects(texts([]), /no column of texts found|holds no data|no text found/)
})

test('odd texts are counted with the first place', async () => {
  const long = 'word '.repeat(5000)
  const data = await csv(
    rows(
      'text,label',
      'fish &amp; chips,a',
      'a <br /> b,b',
      'tea &lt; b,a',
      `${long},a`,
      'cafÃ© olÃ©,b',
      'lost \ufffd,b',
      'R&D & tea 1 < 2 > 0,a',
    ),
  )
  const said = data.warnings.join('\n')
  assert.match(said, /2 texts have HTML entities such as &amp; \(first: \d+\.csv:2\)/)
  assert.match(said, /1 text has HTML tags such as <br> \(first: \d+\.csv:3\)/)
  assert.match(said, /1 text has more than 20000 letters \(first: \d+\.csv:5\)/)
  assert.match(said, /1 text has signs such as Ã© where é is meant \(first: \d+\.csv:6\)/)
  assert.match(said, /1 text has the sign \ufffd/)
})

test('labels that differ only by case or space are reported, and merged where asked', async () => {
  const content = rows('text,label', 'a,Positive', 'b,positive', 'c,negative', 'd,positive', 'e," negative"')
  const data = await csv(content)
  assert.deepEqual(data.targets?.kind === 'single-label' && data.targets.classes, [
    ' negative',
    'Positive',
    'negative',
    'positive',
  ])
  assert.match(
    data.warnings.join('\n'),
    /Labels that differ only by case or space: "Positive" \(1 texts\), "positive" \(2 texts\)/,
  )
  const merged = await csv(content, { normaliseLabels: true })
  assert.deepEqual(labelsOf(merged), ['positive', 'positive', 'negative', 'positive', 'negative'])
  assert.match(merged.warnings.join('\n'), /taken for the same: "Positive" as "positive", " negative" as "negative"/)
})

test('numbers: two are classes, few of them stars, many a number; all can be said otherwise', async () => {
  const table = (name: string, values: readonly (string | number)[]) =>
    rows(`text,${name}`, ...values.map((value, i) => `text ${i},${value}`))
  const repeat = (values: readonly (string | number)[], times: number) =>
    Array.from({ length: times }, () => values).flat()
  const cases: [string, (string | number)[], Targets['kind']][] = [
    ['label', repeat([0, 1], 5), 'single-label'],
    ['label', repeat([0, 1, 2], 5), 'single-label'],
    ['stars', repeat([5, 1, 3, 4, 2], 2), 'ordinal'],
    ['rating', repeat([1, 1.5, 2, 4.5], 2), 'ordinal'],
    ['y', repeat([1, 2, 3, 4, 5], 9), 'single-label'],
    ['outcome', repeat([1, 2, 3, 4, 5], 2), 'ordinal'],
    ['price', [1.25, 3.5, 7.125, 9, 10, 11.5, 12, 13, 14.5, 15, 16, 17], 'number'],
    ['score', Array.from({ length: 60 }, (_, i) => i), 'number'],
    [
      'intent',
      repeat(
        Array.from({ length: 77 }, (_, i) => i),
        2,
      ),
      'single-label',
    ],
    ['value', repeat([10, 20, 30], 9), 'single-label'],
    ['value', ['"1,5"', '"2,25"', '"3,0"', '"7,5"', '"9,25"'], 'number'],
  ]
  for (const [name, values, kind] of cases)
    assert.equal(kindOf(await csv(table(name, values))), kind, `${name}: ${values.slice(0, 5)}`)
  const stars = table('stars', [5, 1, 3])
  const ordinal = await csv(stars)
  assert.deepEqual(ordinal.targets, { kind: 'ordinal', classes: ['1', '3', '5'], labels: Int32Array.of(2, 0, 1) })
  assert.match(
    ordinal.notes.join(' '),
    /ordered from low to high \(1, 3, 5\): few steps .* \(--target number or single-label reads it otherwise\)/,
  )
  assert.deepEqual((await csv(stars, { target: 'number' })).targets, {
    kind: 'number',
    name: 'stars',
    values: Float64Array.of(5, 1, 3),
  })
  assert.equal(kindOf(await csv(stars, { target: 'single-label' })), 'single-label')
  const comma = await csv(table('price', ['"1,5"', '"2,25"', '"3,125"', '1', '2.75']), { target: 'single-label' })
  assert.equal(kindOf(comma), 'single-label')
  const floats = await csv(table('label', ['1.0', '0.0', '1', '']))
  assert.deepEqual(labelsOf(floats), ['1', '0', '1'])
  await assert.rejects(
    csv(rows('text,label', 'a,1', 'b,two'), { target: 'number' }),
    /"two" is no number, which target: "number" needs/,
  )
})

test('an order of words is known, said, or refused', async () => {
  const content = rows('text,label', 'a,high', 'b,low', 'c,medium')
  const data = await csv(content, { target: 'ordinal' })
  assert.deepEqual(data.targets?.kind === 'ordinal' && data.targets.classes, ['low', 'medium', 'high'])
  assert.equal(kindOf(await csv(content)), 'single-label')
  const odd = rows('text,label', 'a,blue', 'b,red', 'c,green')
  await assert.rejects(csv(odd, { target: 'ordinal' }), /the order of blue, red, green is not known/)
  const said = await csv(odd, { target: 'ordinal', classes: ['red', 'green', 'blue'] })
  assert.deepEqual(labelsOf(said), ['blue', 'red', 'green'])
  const stars = await csv(rows('text,label', 'a,3 stars', 'b,1 star', 'c,10 stars', 'd,1 star'))
  assert.deepEqual(stars.targets?.kind === 'ordinal' && stars.targets.classes, ['1 star', '3 stars', '10 stars'])
})

test('several labels a text: lists, separators, columns of 0 and 1', async () => {
  const bars = await csv(rows('text,tags', 'a,funny|sad', 'b,funny', 'c,', 'd,sad | long'))
  assert.deepEqual(labelsOf(bars), [['funny', 'sad'], ['funny'], [], ['long', 'sad']])
  assert.match(
    bars.notes.join(' '),
    /values such as "funny\|sad" name several \(--target single-label reads it otherwise\)/,
  )
  assert.match(bars.warnings.join(' '), /1 text has no label: taken as none of the classes/)
  const commas = await csv(rows('text,tags', 'a,"x, y"', 'b,x', 'c,y', 'd,"y, x"'))
  assert.deepEqual(labelsOf(commas), [['x', 'y'], ['x'], ['y'], ['x', 'y']])
  // Classes whose names have commas are no lists.
  const named = await csv(rows('text,label', 'a,"Food, Drink"', 'b,Hotels', 'c,"Bars, Clubs"', 'd,Hotels'))
  assert.equal(kindOf(named), 'single-label')
  const forced = await csv(rows('text,label', 'a,"Food, Drink"', 'b,Hotels'), { labelSeparator: ',' })
  assert.deepEqual(labelsOf(forced), [['Drink', 'Food'], ['Hotels']])
  const lists = await csv(
    '[{"text":"a","label":["p","q"]},{"text":"b","label":[]},{"text":"c","label":["p"]}]',
    {},
    'json',
  )
  assert.deepEqual(labelsOf(lists), [['p', 'q'], [], ['p']])
  await assert.rejects(texts([{ text: 'a', label: ['x', 'y'] }], { target: 'single-label' }), /is not one label/)
  assert.equal(
    kindOf(
      await texts(
        [
          { text: 'a', label: ['x'] },
          { text: 'b', label: ['y'] },
        ],
        { target: 'single-label' },
      ),
    ),
    'single-label',
  )
  const flags = await csv(
    rows(
      'id,comment_text,toxic,obscene,insult',
      'x1,some words,1,0,1',
      'x2,other words,0,0,0',
      'x3,third one,1,1,0',
      'x4,fourth one,0,?,0',
    ),
    {
      label: 'toxic, obscene, insult',
    },
  )
  assert.deepEqual(labelsOf(flags), [['toxic', 'insult'], [], ['toxic', 'obscene']])
  assert.deepEqual(
    flags.skipped.map(({ reason }) => reason),
    ['has the text "?" in "obscene", expected 0 or 1'],
  )
  const guessed = await csv(
    rows('id,comment_text,toxic,insult', 'a1,some words,1,0', 'a2,other words,0,1', 'a3,none at all,0,0'),
  )
  assert.deepEqual(guessed.targets?.kind === 'multi-label' && guessed.targets.classes, ['toxic', 'insult'])
  assert.match(
    guessed.notes.join(' '),
    /toxic, insult hold 0 and 1 only: each is read as a class that a text has or has not/,
  )
  await assert.rejects(
    csv(rows('text,a,b', 'x y,1,0', 'z w,0,1'), { label: ['a', 'b'], target: 'ordinal' }),
    /several columns of labels, which target: "ordinal" does not read/,
  )
})

test('class names of Parquet, numbers beside them, and -1 for no label', async () => {
  const single = await csv(parquetBytes('classLabel'), {}, 'parquet')
  assert.deepEqual(labelsOf(single), ['pos', 'neg', 'pos', 'neg', 'pos'])
  assert.deepEqual(
    single.skipped.map(({ id }) => id),
    [`${files}.parquet:6`],
  )
  const multi = await csv(parquetBytes('multiLabel'), {}, 'parquet')
  assert.deepEqual(labelsOf(multi), [['a'], ['a', 'b'], [], ['c'], ['b', 'c'], ['a']])
  const stars = await csv(parquetBytes('zstd'), { label: 'stars' }, 'parquet')
  assert.deepEqual(labelsOf(stars), ['5', '1', '4', '3', '2'])
})

test('labels of words: Parquet, CoNLL, lists; IOB1 becomes BIO', async () => {
  const parquet = await csv(parquetBytes('tokens'), {}, 'parquet')
  assert.deepEqual(roles(parquet), { words: 'tokens', 'word-labels': 'ner_tags' })
  assert.deepEqual(labelsOf(parquet), [
    ['B-PER', 'I-PER', 'O', 'B-PER'],
    ['O', 'B-LOC'],
  ])
  assert.deepEqual(parquet.samples.at(0), {
    id: `${files}.parquet:1`,
    text: 'Ada Lovelace met Charles',
    words: ['Ada', 'Lovelace', 'met', 'Charles'],
  })
  const conll = await csv('EU NNP B-ORG\nis VBZ O\n\nAda NNP B-PER\nL. NNP I-PER\n', {}, 'conll')
  assert.deepEqual(conll.targets?.kind === 'token-labels' && conll.targets.classes, ['O', 'B-ORG', 'B-PER', 'I-PER'])
  assert.deepEqual(roles(conll), { words: 'words', 'word-labels': 'column 3' })
  const pos = await csv('EU NNP B-ORG\nis VBZ O\n', { label: 'column 2' }, 'conll')
  assert.deepEqual(labelsOf(pos), [['NNP', 'VBZ']])
  const old = await csv('A I-PER\nB I-PER\nC B-PER\nd O\nE I-ORG\n', {}, 'conll')
  assert.deepEqual(labelsOf(old), [['B-PER', 'I-PER', 'B-PER', 'O', 'B-ORG']])
  assert.match(old.warnings.join(' '), /Names begin with I- \(IOB1\)/)
  const dangling = await csv('A I-PER\nb O\nC B-PER\n', {}, 'conll')
  assert.deepEqual(labelsOf(dangling), [['I-PER', 'O', 'B-PER']])
  assert.match(dangling.warnings.join(' '), /1 word continues \(I-\) a name that was not begun/)
  const list = await texts([
    { tokens: ['a', 'b'], tags: ['X', 'Y'] },
    { tokens: ['c'], tags: ['X', 'Y'] },
    { tokens: [], tags: [] },
    { tokens: ['d'], tags: [null] },
    { tokens: ['e', 'f'], tags: ['Y', null] },
  ])
  assert.deepEqual(labelsOf(list), [
    ['X', 'Y'],
    ['Y', undefined],
  ])
  assert.deepEqual(
    list.skipped.map(({ id, kind }) => [id, kind]),
    [
      ['#1', 'malformed'],
      ['#2', 'empty'],
      ['#3', 'unlabelled'],
    ],
  )
  // A list of words beside a text is a list of labels.
  assert.equal(
    kindOf(
      await texts([
        { text: 'a b', tags: ['x', 'y'] },
        { text: 'c', tags: ['x'] },
      ]),
    ),
    'multi-label',
  )
  // For prediction no labels are needed.
  const words = await texts([{ tokens: ['a', 'b'] }], { labels: false })
  assert.deepEqual([words.samples.at(0)!.words, words.targets], [['a', 'b'], undefined])
})

test('classes that a model gives: their order is kept, another label is refused', async () => {
  const content = rows('text,label', 'a,neg', 'b,pos')
  const data = await csv(content, { classes: ['pos', 'neu', 'neg'] })
  assert.deepEqual(data.targets, { kind: 'single-label', classes: ['pos', 'neu', 'neg'], labels: Int32Array.of(2, 0) })
  assert.match(data.warnings.join(' '), /No text has the class neu/)
  await assert.rejects(csv(content, { classes: ['pos', 'bad'] }), /the classes neg are not among pos, bad/)
})

test('a split column that is none is left alone and said; a word that is no part is refused', async () => {
  const odd = await csv(rows('text,label,split', 'a,x,first', 'b,y,second'))
  assert.deepEqual(roles(odd), { text: 'text', label: 'label' })
  assert.match(odd.warnings.join(' '), /"split" is not used as a split: it has values such as first, second/)
  await assert.rejects(
    csv(rows('text,label,part', 'a,x,train', 'b,y,holdout'), { split: 'part' }),
    /line 3: split is "holdout", expected train, validation or test/,
  )
  const none = await csv(rows('text,label,split', 'a,x,train', 'b,y,test'), { split: false })
  assert.equal(none.samples.at(0)!.split, undefined)
})

test('files by part; a file without labels is left out', async () => {
  const folder = join(root, 'parts')
  write(folder, 'train.csv', rows('text,label', 'a,x', 'b,y'))
  write(folder, 'test.csv', rows('text', 'c'))
  const data = await texts(folder)
  assert.deepEqual(
    Array.from(data.samples, ({ id, split }) => [id, split]),
    [
      ['train.csv:2', 'train'],
      ['train.csv:3', 'train'],
    ],
  )
  assert.deepEqual(data.skipped, [{ id: 'test.csv', kind: 'unlabelled', reason: 'has no column "label"; it has text' }])
})

test('texts without labels, from lines, folders and lists', async () => {
  const lines = await csv('one text\n\nanother, text\n', { labels: false }, 'txt')
  assert.deepEqual(
    Array.from(lines.samples, ({ id, text }) => [id, text]),
    [
      [`${files}.txt:1`, 'one text'],
      [`${files}.txt:3`, 'another, text'],
    ],
  )
  assert.equal(lines.targets, undefined)
  const table = await csv(rows('id,review', '1,some text', '2,other text'), { labels: false })
  assert.deepEqual(roles(table), { text: 'review' })
  assert.deepEqual(
    Array.from((await texts(['a', 'b'], { labels: false })).samples, ({ id }) => id),
    ['#0', '#1'],
  )
  assert.throws(() => checkTextsTrainable(lines), /these texts have no labels/)
})

test('half a letter becomes the sign for a lost one', async () => {
  const data = await csv('[{"text":"a \\ud83d b","label":"x"},{"text":"c","label":"y"}]', {}, 'json')
  assert.equal(data.samples.at(0)!.text, 'a \ufffd b')
})

test('what cannot be trained on is said', async () => {
  const check = async (content: string, options: TextsOptions = {}) => checkTextsTrainable(await csv(content, options))
  await assert.rejects(
    check(rows('text,label', 'a,x', 'b,x')),
    /one class only \(x\) to train on, expected at least two classes/,
  )
  await assert.rejects(check(rows('text,label,split', 'a,x,train', 'b,y,test', 'c,z,train')), /no training text of y/)
  await assert.rejects(
    check(rows('text,price', 'a,7', 'b,7'), { label: 'price', target: 'number' }),
    /all numbers in "price" are the same/,
  )
  await assert.rejects(check(rows('text,label,split', 'a,x,test', 'b,y,test')), /puts no text into train/)
  await check(rows('text,label', 'a,x', 'b,y'))
})

test('a column with far too many different labels is refused, unless these are numbers', async () => {
  const many = (value: (i: number) => unknown) =>
    Array.from({ length: 200_010 }, (_, i) => ({ text: 'a', label: value(i) }))
  await assert.rejects(
    texts(many((i) => `label ${i}`) as never),
    /have more than 200000 different values, such as "label 0"/,
  )
  const numbers = await texts(many((i) => (i === 7 ? null : i / 4)) as never)
  assert.equal(numbers.samples.length, 200_009)
  assert.deepEqual(numbers.targets?.kind === 'number' && [...numbers.targets.values.slice(5, 9)], [1.25, 1.5, 2, 2.25])
})

test('photos or texts, told apart by what lies there', async () => {
  const kind = async (path: string) => (await detectKind(path)).kind
  await writePhotos(join(root, 'photos'), ['a/1.jpg', 'b/2.jpg'])
  write(join(root, 'photos'), 'labels.csv', 'path,label\na/1.jpg,x\n')
  assert.equal(await kind(join(root, 'photos')), 'images')
  assert.equal(await kind(join(root, 'photos', 'labels.csv')), 'images')
  assert.equal(await kind(join(root, 'photos', 'a', '1.jpg')), 'images')
  write(root, 'r.csv', rows('text,label', 'a,x'))
  write(root, 'odd.csv', rows('file,review,label', 'report.txt,fine,x'))
  for (const name of ['r.csv', 'odd.csv', 'parts']) assert.equal(await kind(join(root, name)), 'texts')
  assert.match((await detectKind(join(root, 'parts'))).why, /holds 2 tables \(test\.csv\)/)
  await assert.rejects(detectKind(join(root, 'nothing')), /no such file or folder/)
  write(root, 'x.bin', 'x')
  await assert.rejects(detectKind(join(root, 'x.bin')), /neither photos nor texts by its name/)
})

const shared = '../shared/data'
const missing = existsSync(shared) ? false : 'the shared data sets are not here'

test('real data: SST-2 by parts, reviews of three files, tweets with line breaks and entities', {
  skip: missing,
}, async () => {
  const sst2 = await texts(join(shared, 'sst2'))
  const parts = Array.from(sst2.samples, ({ split }) => split)
  assert.deepEqual(
    ['train', 'validation', 'test'].map((part) => parts.filter((found) => found === part).length),
    [6920, 872, 1821],
  )
  assert.deepEqual(sst2.skipped, [])
  const reviews = await texts(join(shared, 'reviews'))
  assert.deepEqual(
    [reviews.samples.length, labelsOf(reviews).filter((label) => label === 'positive').length],
    [3000, 1500],
  )
  const tweets = await texts(join(shared, 'tweets/tweets.csv'))
  assert.equal(tweets.samples.length, 14_427)
  assert.ok([...tweets.samples].some(({ text }) => text.includes('\n')))
  assert.ok([...tweets.samples].some(({ text }) => /\p{Extended_Pictographic}/u.test(text)))
  assert.match(tweets.warnings.join(' '), /715 texts have HTML entities/)
  const reasons = await texts(join(shared, 'tweets/tweets.csv'), { label: 'negative_reason' })
  assert.equal(reasons.targets?.kind === 'single-label' && reasons.targets.classes.length, 10)
  assert.equal(reasons.skipped.length, 1000)
  assert.match(reasons.warnings.join(' '), /5347 texts are left out \(no label\)/)
  for (const name of ['sst2', 'reviews', 'tweets']) assert.equal((await detectKind(join(shared, name))).kind, 'texts')
  for (const name of ['clothing-mini', 'clothing-tasks'])
    assert.equal((await detectKind(join(shared, name))).kind, 'images')
})
