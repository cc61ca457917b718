/** Many rows: read without being held, in a process of their own whose memory is measured; and the same as held ones. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { textFingerprint } from '#graft/data/text/fingerprint.js'
import { splitsOf } from '#graft/data/text/samples.js'
import { texts } from '#graft/data/text/texts.js'
import { temporaryFolder, write } from '../folders.js'

const root = temporaryFolder()

const ROWS = 300_000
const WORDS = 12

/** Writes a CSV of rows whose texts are all different; returns its size. */
async function writeCsv(path: string): Promise<number> {
  const file = createWriteStream(path)
  let size = 0
  for (let i = 0; i < ROWS; ) {
    let text = i === 0 ? 'id,text,label,split\n' : ''
    for (const end = Math.min(ROWS, i + 5000); i < end; i++) {
      const words = Array.from({ length: WORDS }, (_, w) => `word${(i * 31 + w * w) % 97}`).join(' ')
      text += `${i},"Number ${i}, ${words}",${i % 3 === 0 ? 'a' : 'b'},${i % 10 === 0 ? 'test' : 'train'}\n`
    }
    size += text.length
    if (!file.write(text)) await once(file, 'drain')
  }
  file.end()
  await once(file, 'finish')
  return size
}

const CHILD = `
import { texts } from '#graft/data/text/texts.js'
const heap = async () => { for (let i = 0; i < 3; i++) { globalThis.gc(); await new Promise((resolve) => setTimeout(resolve, 20)) } const { heapUsed, external } = process.memoryUsage(); return heapUsed + external }
const before = await heap()
const data = await texts(process.argv[1], { inMemory: Number(process.argv[2]) })
const held = (await heap()) - before
let letters = 0
let wrong = 0
for (const { text, split } of data.samples) {
  letters += text.length
  if (split !== (text.split(/[ ,]/)[1] % 10 === 0 ? 'test' : 'train')) wrong++
}
for (let i = 0; i < 2000; i++) {
  const at = (i * 7919) % data.samples.length
  if (!data.samples.at(at).text.startsWith('Number ' + at + ', ')) wrong++
}
console.log(JSON.stringify({ held, rows: data.samples.length, letters, wrong, label: data.targets.labels[299_997] }))
`

test('three hundred thousand rows are read without being held', async () => {
  const path = join(root, 'large.csv')
  const size = await writeCsv(path)
  const child = ['--expose-gc', '--input-type=module', '-e', CHILD, path, String(1 << 20)]
  const { stdout } = await promisify(execFile)(process.execPath, child)
  const spilled = JSON.parse(stdout) as Record<'held' | 'rows' | 'letters' | 'wrong' | 'label', number>
  assert.deepEqual([spilled.rows, spilled.wrong, spilled.label], [ROWS, 0, 0])
  assert.ok(spilled.letters > 0.9 * (size - 20 * ROWS))
  // 13 bytes a row of positions and 4 of labels, half as much again for arrays that grow, and a few blocks. The texts alone
  // would be 27 MB, as objects 60.
  assert.ok(spilled.held < 14e6, `${(spilled.held / 1e6).toFixed(1)} MB are held of ${(size / 1e6).toFixed(1)} MB`)
})

test('held or not, a data set is the same: pairs, words, splits, rows left out', async () => {
  const items = Array.from({ length: 500 }, (_, i) => ({
    text: i % 50 === 7 ? '' : `text ${i} é😀 ${'x'.repeat(i)}`,
    other: `pair ${i}`,
    label: i % 40 === 9 ? null : `c${i % 3}`,
    split: i % 5 === 0 ? 'test' : undefined,
  }))
  const options = { pair: 'other', text: 'text' }
  const held = await texts(items as never, options)
  const spilled = await texts(items as never, { ...options, inMemory: 5000 })
  assert.ok(Array.isArray(held.samples) && !Array.isArray(spilled.samples))
  assert.equal(held.samples.length, 500 - 10 - 13)
  assert.deepEqual([...spilled.samples], [...held.samples])
  assert.deepEqual(spilled.targets, held.targets)
  assert.deepEqual(splitsOf(spilled.samples), splitsOf(held.samples))
  assert.equal(await textFingerprint(spilled), await textFingerprint(held))
  for (const i of [476, 0, 400, 401, 402, 3, 2, 476]) assert.deepEqual(spilled.samples.at(i), held.samples.at(i))
  for (const i of [-1, 477, 0.5]) assert.equal(spilled.samples.at(i), undefined)
  write(root, 'words.conll', 'a O\nb B-X\n\nc O\n')
  const words = await texts(join(root, 'words.conll'), { inMemory: 0 })
  assert.deepEqual(
    [...words.samples].map((sample) => sample.words),
    [['a', 'b'], ['c']],
  )
})
