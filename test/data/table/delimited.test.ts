/** CSV and its relatives: round trips of anything, separators, quotes, headers, line numbers, encodings, faults. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { openDelimited } from '#graft/data/table/delimited.js'
import type { TableOptions } from '#graft/data/table/table.js'
import { temporaryFolder, write } from '../folders.js'

const root = temporaryFolder()
let files = 0

async function read(content: string | Uint8Array, options: TableOptions = {}, ending = 'csv') {
  const name = `${++files}.${ending}`
  write(root, name, content)
  const table = await openDelimited(join(root, name), name, options)
  const rows = []
  for await (const batch of table.rows()) rows.push(...batch)
  return { table, rows, cells: rows.map((row) => row.cells), name }
}

/** As RFC 4180 writes it: quotes where there are separators, quotes or line ends, or everywhere. */
function csv(rows: readonly (readonly string[])[], separator: string, end: string, always: boolean): string {
  const field = (text: string) =>
    always || /["\r\n,;|\t]/.test(text) || text === '' ? `"${text.replaceAll('"', '""')}"` : text
  return rows.map((row) => row.map(field).join(separator) + end).join('')
}

const anything = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: fc.constantFrom('"', ',', ';', '\n', '\r\n', '\t', '|', "'", 'a', ' ', '😀', 'é'), maxLength: 12 }),
)

test('whatever is written is read again, with every separator and line end', async () => {
  const cases = fc.record({
    rows: fc.array(fc.tuple(anything, anything, anything), { minLength: 1, maxLength: 8 }),
    separator: fc.constantFrom(',', ';', '\t', '|'),
    end: fc.constantFrom('\n', '\r\n'),
    always: fc.boolean(),
    mark: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(cases, async ({ rows, separator, end, always, mark }) => {
      const text = csv([['text', 'label', 'note'], ...rows], separator, end, always)
      const found = await read(mark ? `\ufeff${text}` : text, { separator, quotes: true, header: true })
      assert.deepEqual(found.table.columns, ['text', 'label', 'note'])
      assert.deepEqual(found.cells, rows)
      assert.ok(found.rows.every((row) => row.fault === undefined))
    }),
    { numRuns: 200 },
  )
})

test('every row is numbered by the line on which it begins', async () => {
  const cases = fc.array(fc.tuple(anything, anything), { minLength: 1, maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(cases, fc.constantFrom('\n', '\r\n'), async (rows, end) => {
      const { rows: found } = await read(csv([['text', 'label'], ...rows], ',', end, true), {
        quotes: true,
        header: true,
      })
      let line = 2
      for (const [i, row] of rows.entries()) {
        assert.equal(found[i]!.number, line)
        line += 1 + row.join('').split('\n').length - 1
      }
    }),
    { numRuns: 100 },
  )
  const { rows } = await read('text,label\n\n"a\r\nb",x\n\n\nc,y')
  assert.deepEqual(
    rows.map(({ number, cells }) => [number, ...cells]),
    [
      [3, 'a\r\nb', 'x'],
      [7, 'c', 'y'],
    ],
  )
})

test('the separator is found out and said', async () => {
  for (const [separator, what] of [
    [';', 'semicolons'],
    ['\t', 'tabs'],
    ['|', 'bars'],
  ] as const) {
    const { table, cells, name } = await read(`text${separator}label\nOne, two${separator}a\nThree${separator}b\n`)
    assert.deepEqual(cells, [
      ['One, two', 'a'],
      ['Three', 'b'],
    ])
    assert.match(table.notes.join(' '), new RegExp(`Fields of ${name} are separated by ${what}`))
  }
  assert.deepEqual((await read('text,label\na,b\n')).table.notes, [])
  assert.deepEqual((await read('text\tlabel\na, b\tc\n', {}, 'tsv')).table.notes, [])
  // More of another sign in the header alone does not decide.
  const mixed = await read('text,"rating; 1, 2 or 3; or 4"\ngood,1\nbad,2\nworse,3\n')
  assert.deepEqual(mixed.table.columns, ['text', 'rating; 1, 2 or 3; or 4'])
})

test('a table without quotes keeps those in its texts, and says so', async () => {
  const { table, cells } = await read('text\tlabel\n"I" said\tx\n"open\ty\nsecond\tz\n', {}, 'tsv')
  assert.deepEqual(cells, [
    ['"I" said', 'x'],
    ['"open', 'y'],
    ['second', 'z'],
  ])
  assert.match(table.notes.join(' '), /Quotes in .* are part of the texts/)
})

test('a quote that is never closed is named with the line where it opens', async () => {
  const text = `text,label\n"fine, really",x\n"not closed,y\n${'more,z\n'.repeat(5)}`
  await assert.rejects(read(text), /\.csv, line 3: a quote opens here and is never closed/)
  await assert.rejects(read(text, { quotes: true }), /line 3/)
  // In a large file the end is not in sight when the file is opened.
  const long = `text,label\n${'"fine, really",x\n'.repeat(20_000)}"open,y\n${'a,b\n'.repeat(100)}`
  await assert.rejects(read(long), /line 20002: a quote opens here/)
})

test('a row that seems to have swallowed others is suspect', async () => {
  const { rows } = await read(`text,label\n${'"fine, really",x\n'.repeat(50)}"open,y\nb,z\nc,z\n"close",w\n`)
  const suspect = rows.filter((row) => row.doubt !== undefined || row.fault !== undefined)
  assert.equal(suspect.length, 1)
  assert.equal(suspect[0]!.number, 52)
})

test('rows with too few or too many fields are named', async () => {
  const { rows } = await read('text,label\nGood, really good,pos\nshort\nfine,neg\nempty end,pos,,\n\n')
  assert.deepEqual(
    rows.map(({ number, fault }) => [number, fault]),
    [
      [2, 'has 3 fields, expected 2: a text with separators needs quotes around it'],
      [3, 'has 1 field, expected 2'],
      [4, undefined],
      [5, undefined],
    ],
  )
})

test('a first line of data is not taken for names, and the other way round', async () => {
  const cases: [string, boolean][] = [
    ['text,label\na,b\n', true],
    ['Review Text,Stars\nnice,5\n', true],
    ['kommentar,urteil\nschön,gut\nschlecht,schlecht\nna ja,gut\n', true],
    ['I really liked this very much and would go there again with all of my friends,1\nbad,0\n', false],
    ['nice,pos\nbad,neg\nworse,neg\nfine,pos\ngreat,pos\n', false],
    ['0,nice\n1,bad\n', false],
    ['ham,go there\nspam,win it\nham,see you\nham,fine\n', false],
    ['text,label\na,x\ntext,label\nb,y\ntext,label\nc,x\n', true],
    ['"",p,q\na,b,c\n', false],
  ]
  for (const [text, header] of cases) {
    const { table, rows } = await read(text)
    assert.equal(table.header, header, text)
    assert.equal(rows.length, text.trim().split('\n').length - (header ? 1 : 0), text)
    if (header) continue
    assert.equal(table.columns[0], 'column 1')
    assert.match(table.notes.join(' '), /is taken as data, not as names of columns/)
  }
  const joined = await read('text,label\na,x\ntext,label\nb,y\n')
  assert.deepEqual(
    joined.rows.map((row) => row.fault),
    [undefined, 'repeats the header', undefined],
  )
  const { table } = await read('nice,pos\nbad,neg\nfine,pos\n', { header: true })
  assert.deepEqual(table.columns, ['nice', 'pos'])
})

test('columns of one name can be told apart', async () => {
  const { table } = await read('text,text,,label\na,b,c,d\n')
  assert.deepEqual(table.columns, ['text', 'text (2)', 'column 3', 'label'])
  assert.deepEqual(table.repeated, ['text'])
})

test('UTF-16, with and without a mark, both ways round', async () => {
  const text = 'text,label\nschön 😀,gut\n'
  const little = Buffer.from(text, 'utf16le')
  const big = Buffer.from(little).swap16()
  for (const bytes of [
    Buffer.concat([Buffer.of(0xff, 0xfe), little]),
    Buffer.concat([Buffer.of(0xfe, 0xff), big]),
    little,
    big,
  ]) {
    const { table, cells } = await read(bytes)
    assert.deepEqual(table.columns, ['text', 'label'])
    assert.deepEqual(cells, [['schön 😀', 'gut']])
    assert.deepEqual(table.warnings, [])
  }
})

test('what is no UTF-8 is read as windows-1252, with a warning that names the line', async () => {
  const good = 'é€😀,x\n'.repeat(300_000)
  const bytes = Buffer.concat([
    Buffer.from(`text,label\n${good}`),
    Buffer.from('Das ist schön \x96 \x93ja\x94,gut\n', 'latin1'),
  ])
  const { table, rows, name } = await read(bytes)
  assert.equal(table.warnings.length, 1)
  assert.match(table.warnings[0]!, new RegExp(`^${name} is not UTF-8 \\(byte 0xF6 on line 300002: "Das ist schön`))
  assert.match(table.warnings[0]!, /windows-1252; if letters look wrong, name its encoding with --encoding/)
  assert.equal(rows.at(-1)!.cells[0], 'Das ist schön – “ja”')
  const chosen = await read(Buffer.from('text,label\nab\xe6,x\n', 'latin1'), { encoding: 'iso-8859-2' })
  assert.deepEqual([chosen.cells, chosen.table.warnings], [[['abć', 'x']], []])
  await assert.rejects(read('text,label\na,b', { encoding: 'klingon' }), {
    name: 'GraftError',
    message: /"klingon" is not known/,
  })
})

test('the first fault is found wherever it lies, also across the pieces in which a file is read', async () => {
  for (const before of [0, 1, 2, 3, 4, 1_048_574, 1_048_575, 1_048_576, 1_048_577]) {
    // Letters of two bytes, so that a piece ends within one for half of the cases.
    const head = Buffer.from(`${'x'.repeat(before % 2)}${'é'.repeat(before >> 1)}`)
    const { table } = await read(Buffer.concat([head, Buffer.of(0xff), Buffer.from('text,label\na,b\n')]))
    assert.match(table.warnings.join(), /byte 0xFF on line 1/, `after ${before} bytes`)
  }
  const cut = await read(Buffer.from([...Buffer.from('text,label\na,b\nc,'), 0xc3]))
  assert.match(cut.table.warnings.join(), /byte 0xC3 on line 3/)
})

test('what is no text is named for what it is', async () => {
  await assert.rejects(read(Buffer.from('PK\u0003\u0004rest')), /is a zip archive, such as an Excel workbook/)
  await assert.rejects(read(Buffer.from([0x1f, 0x8b, 8, 0])), /compressed with gzip/)
  await assert.rejects(read(Buffer.from('PAR1xxxxPAR1')), /a Parquet file/)
  await assert.rejects(read(Buffer.from([1, 0, 0, 0, 7, 0, 0, 0, 9, 9])), /has zero bytes/)
  await assert.rejects(read(''), /is empty/)
  await assert.rejects(read('\ufeff'), /is empty/)
})
