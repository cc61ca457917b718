/** JSON, JSON Lines, Parquet, CoNLL and folders as tables: what is read, and every fault by name. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { matches } from '#graft/data/table/card.js'
import { openConll } from '#graft/data/table/conll.js'
import { classNamesOfCard } from '#graft/data/table/features.js'
import { openFile } from '#graft/data/table/file.js'
import { openFolder, splitOfPath } from '#graft/data/table/folder.js'
import { jsonElements } from '#graft/data/table/jsonElements.js'
import type { Table } from '#graft/data/table/table.js'
import { temporaryFolder, write } from '../folders.js'
import { parquetBytes } from './parquetFiles.js'

const root = temporaryFolder()
let files = 0

async function open(content: string | Uint8Array, ending: string): Promise<readonly Table[]> {
  const name = `${++files}.${ending}`
  write(root, name, content)
  return openFile(join(root, name), name)
}

async function rowsOf(table: Table | undefined) {
  const rows = []
  for await (const batch of table!.rows()) rows.push(...batch)
  return rows
}

const json = (value: unknown, pretty: boolean) => JSON.stringify(value, undefined, pretty ? 2 : undefined)

async function* inPieces(text: string, length: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += length) yield text.slice(at, at + length)
}

test('the elements of any JSON list are those that JSON.parse gives, however the text is cut', async () => {
  const value = fc.jsonValue({ maxDepth: 3 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(value, { maxLength: 5 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 9 }),
      async (list, pretty, length) => {
        const text = json(list, pretty)
        const found: unknown[] = []
        for await (const batch of jsonElements('x', inPieces(text, length)))
          for (const element of batch) {
            found.push(JSON.parse(element.text))
            assert.equal(element.number, found.length)
          }
        assert.equal(JSON.stringify(found), JSON.stringify(list))
      },
    ),
    { numRuns: 300 },
  )
})

test('lists in an object are given under their keys, whatever else it holds', async () => {
  const key = fc.string({ maxLength: 6 }).filter((name) => name !== '__proto__')
  const object = fc.dictionary(key, fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.array(fc.jsonValue({ maxDepth: 1 }))))
  await fc.assert(
    fc.asyncProperty(object, fc.boolean(), fc.integer({ min: 1, max: 9 }), async (given, pretty, length) => {
      const found: Record<string, unknown[]> = Object.fromEntries(
        Object.entries(given).flatMap(([name, inner]) => (Array.isArray(inner) ? [[name, []]] : [])),
      )
      for await (const batch of jsonElements('x', inPieces(json(given, pretty), length)))
        for (const element of batch) found[element.key!]!.push(JSON.parse(element.text))
      for (const [name, inner] of Object.entries(given))
        if (Array.isArray(inner)) assert.equal(JSON.stringify(found[name]), JSON.stringify(inner))
    }),
    { numRuns: 300 },
  )
})

test('every start of a JSON list that is cut off is refused', async () => {
  const text = '[{"text": "a \\"b\\"", "n": [1, {"c": 2}]}, {"text": "x"}]'
  for (let length = 0; length < text.length; length++)
    await assert.rejects(
      async () => {
        for await (const _ of jsonElements('cut.json', inPieces(text.slice(0, length), 7))) assert.ok(true)
      },
      length === 0 ? /cut\.json: is empty/ : /cut\.json: ends on line 1 in the middle of the data/,
    )
})

test('a list of objects, one in an object, and one a part', async () => {
  const rows = [
    { text: 'a', label: 'x' },
    { label: 'y', text: 'b', more: [1] },
  ]
  for (const given of [rows, { version: '1', data: rows, meta: { n: [1] } }, { a: 1, rows }]) {
    const [table] = await open(JSON.stringify(given), 'json')
    assert.deepEqual(table!.columns, ['text', 'label', 'more'])
    assert.deepEqual(
      (await rowsOf(table)).map(({ number, cells }) => [number, ...cells]),
      [
        [1, 'a', 'x', null],
        [2, 'b', 'y', [1]],
      ],
    )
  }
  const parts = await open(JSON.stringify({ train: rows, test: rows.slice(1) }), 'json')
  assert.deepEqual(
    parts.map((table) => [table.split, table.name.replace(/^\d+/, '')]),
    [
      ['train', '.json/train'],
      ['test', '.json/test'],
    ],
  )
  assert.equal((await rowsOf(parts[1])).length, 1)
})

test('JSON of another shape is refused with what to do', async () => {
  await assert.rejects(open('{"text": ["a"], "label": ["x"]}', 'json'), (error: Error & { remedy: string }) => {
    assert.match(error.message, /holds a list for each of text, label, a column each/)
    assert.match(error.remedy, /orient="records"/)
    return true
  })
  await assert.rejects(open('{"a": [{"x": 1}], "b": [{"x": 2}]}', 'json'), /holds several lists, a, b/)
  await assert.rejects(open('{"a": 1}', 'json'), /holds no list of rows/)
  await assert.rejects(open('"text"', 'json'), /line 1: found "\\"text\\"", expected a list/)
  await assert.rejects(open('[{"a": 1}] x', 'json'), /expected nothing after the end/)
  await assert.rejects(open('{a: 1}', 'json'), /expected a key in double quotes/)
  await assert.rejects(open('[[1], [2]]', 'json'), /holds no objects with keys/)
  const [table] = await open('[{"a": 1}, {"a": }, 7, {"a": 3}]', 'json')
  const rows = await rowsOf(table)
  assert.deepEqual(
    rows.map((row) => row.fault === undefined),
    [true, false, false, true],
  )
  assert.match(rows[1]!.fault!, /is no JSON \(line 1: /)
  assert.match(rows[2]!.fault!, /is the number 7, expected an object/)
})

test('one object a line, also in a file that is called .json', async () => {
  const lines = '{"text": "a\\n b", "label": 1}\n\n{"text": "c", "label": null}\r\nnot json\n{"text": "d", "label": 2}'
  for (const ending of ['jsonl', 'ndjson', 'json']) {
    const [table] = await open(lines, ending)
    const rows = await rowsOf(table)
    assert.deepEqual(
      rows.map(({ number, cells }) => [number, ...cells]),
      [[1, 'a\n b', 1], [3, 'c', null], [4], [5, 'd', 2]],
    )
    assert.match(rows[2]!.fault!, /is no JSON \(line 4: /)
  }
  assert.deepEqual((await open('"just"\n"texts"\n', 'jsonl'))[0]!.columns, ['text'])
  await assert.rejects(open('\n\n', 'jsonl'), /is empty/)
  await assert.rejects(open('1\n2\n', 'jsonl'), /has no line with a JSON object/)
})

const REVIEWS = [
  'A warm, funny film.',
  'Dull from start to end.',
  "I'd watch it again 🎬",
  'Not my cup of tea',
  'Zwölf Kapitel, alle gut',
  'Too long\nand too loud',
]

test('Parquet in every compression, over several row groups, with nothing and with lists', async () => {
  for (const name of ['snappy', 'gzip', 'brotli', 'zstd'] as const) {
    const [table] = await open(parquetBytes(name), 'parquet')
    assert.deepEqual(table!.columns, ['review', 'stars', 'topics'])
    const rows = await rowsOf(table)
    assert.deepEqual(
      rows.map(({ number, cells }) => [number, ...cells]),
      REVIEWS.map((text, i) => [
        i + 1,
        text,
        [5, 1, 4, null, 3, 2][i],
        [['film'], ['film', 'pace'], [], ['taste'], ['book'], ['film', 'sound']][i],
      ]),
    )
    const few = []
    for await (const batch of table!.rows(new Set(['stars']))) few.push(...batch)
    assert.deepEqual(few[0]!.cells, [null, 5, null])
  }
})

test("class names come from what Hugging Face's datasets leaves in Parquet", async () => {
  const names = async (name: 'classLabel' | 'tokens' | 'multiLabel') => [
    ...(await open(parquetBytes(name), 'parquet'))[0]!.classNames,
  ]
  assert.deepEqual(await names('classLabel'), [['label', ['neg', 'pos']]])
  assert.deepEqual(await names('tokens'), [['ner_tags', ['O', 'B-PER', 'I-PER', 'B-LOC']]])
  assert.deepEqual(await names('multiLabel'), [['labels', ['a', 'b', 'c']]])
})

test('broken Parquet is refused by name', async () => {
  const whole = parquetBytes('zstd')
  for (const bytes of [
    whole.subarray(0, 1000),
    whole.subarray(100),
    new Uint8Array(0),
    Buffer.from('text,label\na,b\n'),
  ])
    await assert.rejects(async () => rowsOf((await open(bytes, 'parquet'))[0]), {
      name: 'GraftError',
      message: /\.parquet: cannot be read as Parquet/,
    })
})

const CONLL = `-DOCSTART- -X- O O

EU NNP I-NP B-ORG
rejects VBZ I-VP O
German JJ I-NP B-MISC

Peter NNP I-NP B-PER
Blackburn NNP I-NP I-PER
`

test('CoNLL: a row a sentence, by its ending or by its look', async () => {
  for (const ending of ['conll', 'txt']) {
    const [table] = await open(CONLL, ending)
    assert.deepEqual(table!.columns, ['words', 'column 2', 'column 3', 'column 4'])
    assert.deepEqual(
      (await rowsOf(table)).map(({ number, cells }) => [number, cells[0], cells[3]]),
      [
        [3, ['EU', 'rejects', 'German'], ['B-ORG', 'O', 'B-MISC']],
        [7, ['Peter', 'Blackburn'], ['B-PER', 'I-PER']],
      ],
    )
  }
  const [tabs] = await open('New York\tB-LOC\nis\tO\n\nbig\tO\n', 'tsv')
  assert.deepEqual(
    (await rowsOf(tabs)).map(({ cells }) => cells[0]),
    [['New York', 'is'], ['big']],
  )
  const [odd] = await open('a O\nb O extra\n\nc O\n', 'conll')
  assert.deepEqual(
    (await rowsOf(odd)).map(({ fault }) => fault),
    ['line 2 has 3 fields (b O extra), expected 2', undefined],
  )
  await assert.rejects(open('just words\n', 'txt'), /is plain text, which has no labels/)
  await assert.rejects(open('word\n\nword\n', 'conll'), /has no line with a word and a label/)
})

test('CoNLL-U: numbered words, comments, ranges', async () => {
  const word = (id: string, form: string, upos: string) =>
    [id, form, '_', upos, '_', '_', '0', '_', '_', '_'].join('\t')
  const text = `# text = Vámonos al mar\n${word('1-2', 'Vámonos', '_')}\n${word('1', 'Vamos', 'VERB')}\n${word('2', 'nos', 'PRON')}\n\n`
  write(root, 'u.conllu', text)
  const table = await openConll(join(root, 'u.conllu'), 'u.conllu')
  const [row] = await rowsOf(table)
  assert.deepEqual(table.columns[1], 'words')
  assert.deepEqual(
    [row!.cells[1], row!.cells[3]],
    [
      ['Vamos', 'nos'],
      ['VERB', 'PRON'],
    ],
  )
})

test('a folder of .txt files per class, with parts and odd encodings', async () => {
  const folder = join(root, 'classes')
  write(folder, 'train/pos/1.txt', 'fine\nwork')
  write(folder, 'train/neg/1.txt', Buffer.from('m\xe4\xdfig', 'latin1'))
  write(folder, 'train/neg/2.txt', Buffer.from('\ufeffso so', 'utf16le'))
  write(folder, 'test/pos/1.txt', 'good')
  write(folder, 'test/loose.txt', 'loose')
  write(folder, 'README.md', 'about')
  const { tables, skipped } = await openFolder(folder)
  const rows = await rowsOf(tables[0])
  assert.deepEqual(tables[0]!.columns, ['text', 'label', 'split'])
  assert.deepEqual(
    rows.map(({ id, cells }) => [id, ...cells]),
    [
      ['test/pos/1.txt', 'good', 'pos', 'test'],
      ['train/neg/1.txt', 'mäßig', 'neg', 'train'],
      ['train/neg/2.txt', 'so so', 'neg', 'train'],
      ['train/pos/1.txt', 'fine\nwork', 'pos', 'train'],
    ],
  )
  assert.deepEqual(
    skipped.map(({ id, kind }) => [id, kind]),
    [
      ['test/loose.txt', 'unlabelled'],
      ['README.md', 'other-file'],
    ],
  )
  assert.match(tables[0]!.warnings.join(), /train\/neg\/1\.txt is not UTF-8/)
  const flat = join(root, 'flat')
  write(flat, 'a.txt', 'x')
  write(flat, 'b.txt', 'y')
  await assert.rejects(openFolder(flat), /2 texts lie directly in it, expected one folder per class/)
  assert.equal((await rowsOf((await openFolder(flat, { labels: false })).tables[0])).length, 2)
})

const CARD = `---
license: mit
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
- config_name: small
  data_files:
  - split: train
    path: small/*.jsonl
dataset_info:
- config_name: default
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': negative
          '1': positive
- config_name: small
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': bad
---
# A set
`

test('a folder in the shape of a Hugging Face data set: its card says files, parts and classes', async () => {
  const folder = join(root, 'hub')
  write(folder, 'README.md', CARD)
  write(folder, 'data/train-00000-of-00002.jsonl', '{"text": "a", "label": 0}\n')
  write(folder, 'data/train-00001-of-00002.jsonl', '{"text": "b", "label": 1}\n')
  write(folder, 'data/test-00000-of-00001.jsonl', '{"text": "c", "label": 1}\n')
  write(folder, 'small/part.jsonl', '{"text": "d", "label": 0}\n')
  const opened = await openFolder(folder)
  assert.deepEqual(
    opened.tables.map(({ name, split }) => [name, split]),
    [
      ['data/train-00000-of-00002.jsonl', 'train'],
      ['data/train-00001-of-00002.jsonl', 'train'],
      ['data/test-00000-of-00001.jsonl', 'test'],
    ],
  )
  assert.deepEqual([...opened.tables[0]!.classNames], [['label', ['negative', 'positive']]])
  assert.match(opened.notes.join(' '), /default is read/)
  const small = await openFolder(folder, { subset: 'small' })
  assert.deepEqual(
    small.tables.map(({ name }) => name),
    ['small/part.jsonl'],
  )
  assert.deepEqual([...small.tables[0]!.classNames], [['label', ['bad']]])
  await assert.rejects(openFolder(folder, { subset: 'large' }), /has no subset "large"; found default, small/)
  write(folder, 'README.md', CARD.replace('config_name: default', 'config_name: other'))
  await assert.rejects(openFolder(folder), /has the subsets other, small/)
  write(folder, 'README.md', '---\na: [\n---\n')
  await assert.rejects(openFolder(folder), /README\.md: the YAML at its head cannot be read/)
  write(folder, 'README.md', CARD.replaceAll('data/', 'gone/'))
  await assert.rejects(openFolder(folder), /its card names gone\/train-\*, gone\/test-\*, which is not there/)
})

test('dataset_infos.json gives class names too', async () => {
  const folder = join(root, 'legacy')
  const features = { label: { names: ['no', 'yes'], _type: 'ClassLabel' } }
  write(folder, 'dataset_infos.json', JSON.stringify({ default: { features } }))
  write(folder, 'train.csv', 'text,label\na,0\n')
  write(folder, 'dev.csv', 'text,label\nb,1\n')
  const { tables, skipped } = await openFolder(folder)
  assert.deepEqual(tables.map(({ split }) => split).sort(), ['train', 'validation'])
  assert.deepEqual([...tables[0]!.classNames], [['label', ['no', 'yes']]])
  assert.deepEqual(
    skipped.map(({ id }) => id),
    ['dataset_infos.json'],
  )
})

test('folders that can be read in two ways, or not at all', async () => {
  const make = (name: string, contents: Record<string, string>) => {
    for (const [file, content] of Object.entries(contents)) write(join(root, name), file, content)
    return openFolder(join(root, name))
  }
  const both = make('both', { 'train.csv': 'text,label\na,x\n', 'train.jsonl': '{"text":"a","label":"x"}\n' })
  await assert.rejects(both, /holds files of several kinds \(csv, jsonl\), perhaps the same rows twice/)
  const mixed = make('mixed', { 'pos/1.txt': 'a', 'neg/2.txt': 'b', 'list.csv': 'text,label\na,x\n' })
  await assert.rejects(mixed, /holds 2 \.txt files in folders, and list\.csv: which are the data\?/)
  await assert.rejects(make('pictures', { 'a.bin': 'x' }), /no texts found; it holds a\.bin/)
  const several = await make('several', { 'one.csv': 'text,label\na,x\n', 'two.csv': 'text,label\nb,y\n' })
  assert.match(several.notes.join(), /2 files are read as one: one\.csv, two\.csv/)
})

test('parts by the names of files and folders', () => {
  const cases: [string, string | undefined][] = [
    ['data/train-00000-of-00001.parquet', 'train'],
    ['dev.tsv', 'validation'],
    ['my_test_set.csv', 'test'],
    ['validation/part.jsonl', 'validation'],
    ['latest.csv', undefined],
    ['trainer.csv', undefined],
  ]
  for (const [id, split] of cases) assert.equal(splitOfPath(id), split, id)
})

test('patterns of a card', () => {
  assert.ok(matches('data/train-0.parquet', 'data/train-*'))
  assert.ok(matches('data/a/b.csv', '**/*.csv'))
  assert.ok(matches('b.csv', '**/*.csv'))
  assert.ok(matches('en/x.csv', './{en,de}/?.csv'))
  assert.ok(!matches('data/sub/train-0.parquet', 'data/train-*'))
  assert.ok(!matches('data/sub/train-0', 'data/*'))
  assert.ok(!matches('dataXcsv', 'data.csv'))
})

test('class names in the forms that cards have', () => {
  const features = [
    { name: 'a', dtype: { class_label: { names: { 0: 'x', 1: 'y' } } } },
    { name: 'b', sequence: { class_label: { names: ['p', 'q'] } } },
    { name: 'c', list: { class_label: { names: { 0: 'only', 2: 'gap' } } } },
    { name: 'd', dtype: 'string' },
  ]
  assert.deepEqual(
    [...classNamesOfCard(features)],
    [
      ['a', ['x', 'y']],
      ['b', ['p', 'q']],
    ],
  )
})
