/**
 * Files of one word a line with its labels beside it and a blank line between sentences (CoNLL, BIO), as a table: a row a
 * sentence, its columns lists of equal length. CoNLL-U is read too: numbered words, comments.
 */
import { GraftError } from '../../base/errors.js'
import type { Split } from '../types.js'
import { encodingOf, linesOf, textChunks } from './encoding.js'
import type { Table, TableOptions, TableRow } from './table.js'

/** Labels that begin or continue a name: `B-PER`, `I-LOC`, and `O` for the words between. */
const TAG = /^(O|[BIESLU][-_].+)$/

/** Whether the beginning of a file looks like CoNLL: lines of equally many fields in groups, the last one a tag. */
export function looksLikeConll(head: string): boolean {
  const lines = head.split(/\r?\n/).slice(0, -1)
  const words = lines.filter((line) => line.trim() !== '' && !line.startsWith('#') && !line.startsWith('-DOCSTART-'))
  if (words.length < 2) return false
  const fields = words.map((line) => fieldsOf(line))
  const width = fields[0]!.length
  if (width < 2 || fields.some((found) => found.length !== width)) return false
  return fields.every((found) => TAG.test(found.at(-1)!)) || (isNumbered(fields) && width === 10)
}

/** @throws GraftError where no line has a word and a label */
export async function openConll(path: string, name: string, options: TableOptions = {}, split?: Split): Promise<Table> {
  const { encoding, warning } = await encodingOf(path, name, options.encoding)
  const first: string[][] = []
  for await (const batch of linesOf(textChunks(path, encoding))) {
    for (const { text } of batch) if (isWord(text)) first.push(fieldsOf(text))
    if (first.length >= 100) break
  }
  const width = first[0]?.length ?? 0
  if (width < 2)
    throw new GraftError(`${name}: has no line with a word and a label`, {
      remedy: 'Give one word a line with its label behind it ("Berlin B-LOC"), and a blank line between sentences.',
    })
  const wordAt = isNumbered(first) ? 1 : 0
  const columns = Array.from({ length: width }, (_, i) => (i === wordAt ? 'words' : `column ${i + 1}`))
  return {
    name,
    unit: 'line',
    split,
    columns,
    classNames: new Map(),
    notes: [],
    warnings: warning === undefined ? [] : [warning],
    async *rows() {
      let sentence: { line: number; words: string[][] } | undefined
      for await (const batch of linesOf(textChunks(path, encoding))) {
        options.signal?.throwIfAborted()
        const rows: TableRow[] = []
        for (const { line, text } of batch) {
          if (isWord(text)) {
            sentence ??= { line, words: [] }
            sentence.words.push(fieldsOf(text))
          } else if (sentence !== undefined && text.trim() === '') {
            rows.push(rowOf(sentence, width, wordAt))
            sentence = undefined
          }
        }
        if (rows.length > 0) yield rows
      }
      if (sentence !== undefined) yield [rowOf(sentence, width, wordAt)]
    },
  }
}

function isWord(line: string): boolean {
  return line.trim() !== '' && !line.startsWith('-DOCSTART-') && !/^#( |\s*\w+ =)/.test(line)
}

function fieldsOf(line: string): string[] {
  return line.includes('\t') ? line.split('\t').map((field) => field.trim()) : line.trim().split(/ +/)
}

/** CoNLL-U: the first field counts the words of a sentence. */
function isNumbered(lines: readonly (readonly string[])[]): boolean {
  return (
    lines.length > 0 && /^1([-.]\d+)?$/.test(lines[0]![0]!) && lines.every(([first]) => /^\d+([-.]\d+)?$/.test(first!))
  )
}

function rowOf(sentence: { line: number; words: readonly string[][] }, width: number, wordAt: number): TableRow {
  const number = sentence.line
  const odd = sentence.words.findIndex((fields) => fields.length !== width)
  if (odd !== -1) {
    const found = sentence.words[odd]!
    const fault = `line ${number + odd} has ${found.length} fields (${found.join(' ').slice(0, 40)}), expected ${width}`
    return { number, cells: [], fault }
  }
  // In CoNLL-U a range (1-2) or a part (1.1) repeats what the words around it say.
  const words = wordAt === 0 ? sentence.words : sentence.words.filter(([count]) => /^\d+$/.test(count!))
  return { number, cells: Array.from({ length: width }, (_, i) => words.map((fields) => fields[i]!)) }
}
