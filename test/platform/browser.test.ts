/** The browser's side of `#platform`: as far as it can be seen from Node. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import { GraftError } from '#graft/base/errors.js'
import * as browser from '#graft/platform/browser.js'
import * as node from '#graft/platform/node.js'
import type * as ortNode from '#graft/runtime/onnxruntime/node.js'
import type * as ortWeb from '#graft/runtime/onnxruntime/web.js'

// The compiler checks that both sides can stand in for each other.
const asNode: typeof node = browser
type Web = typeof ortWeb
const asWeb = (web: Web): typeof ortNode => web

test('both platforms have the same names', () => {
  assert.deepEqual(Object.keys(asNode).sort(), Object.keys(node).sort())
  assert.deepEqual(Object.keys(browser.paths).sort(), Object.keys(node.paths).sort())
  assert.equal(typeof asWeb, 'function')
})

test('what a page cannot do says what to do instead', () => {
  for (const refused of [
    () => browser.readFileBytes(),
    () => browser.writeFileAtomic(),
    () => browser.paths.join(),
    () => browser.residentMemory(),
  ])
    assert.throws(refused, (error) => error instanceof GraftError && error.remedy !== undefined)
})

test('hashes are those of Node, however the bytes come', () => {
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => 31 * i + length)
    assert.equal(browser.sha256(bytes), sha256(bytes), `${length} bytes`)
    assert.equal(browser.crc32(bytes), node.crc32(bytes))
  }
  const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 150 }), fc.string({ unit: 'grapheme', maxLength: 80 })))
  fc.assert(
    fc.property(pieces, (given) => {
      const all = Buffer.concat(given.map((piece) => Buffer.from(piece as Uint8Array)))
      assert.equal(browser.sha256Of(given), sha256(all))
    }),
  )
})

test('base64 and names', () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * i)
  assert.equal(browser.toBase64(bytes), Buffer.from(bytes).toString('base64'))
  assert.notEqual(browser.uniqueName(), browser.uniqueName())
})
