/**
 * Hashes that answer at once. A browser's own SHA-256 (`crypto.subtle`) answers later and only on secure pages; this one
 * names and compares contents, and guards no secret.
 */

import { yieldTurn } from './system.js'

/** SHA-256 in lower-case hexadecimal (FIPS 180-4). */
export function sha256(content: Uint8Array | string): string {
  return sha256Of([content])
}

/** SHA-256 of several pieces in turn. */
export function sha256Of(pieces: Iterable<Uint8Array | string>): string {
  const hash = new Sha256()
  for (const piece of pieces) hash.update(piece)
  return hash.digest()
}

/** SHA-256 of pieces that are made one by one; each may be let go before the next is made. */
export async function sha256Pieces(pieces: Iterable<Uint8Array>): Promise<string> {
  const hash = new Sha256()
  for (const piece of pieces) {
    hash.update(piece)
    await yieldTurn()
  }
  return hash.digest()
}

class Sha256 {
  readonly #state = Uint32Array.from(ROOTS, fractionBits)
  readonly #block = new Uint8Array(64)
  #filled = 0
  #total = 0

  update(piece: Uint8Array | string): void {
    const bytes = typeof piece === 'string' ? new TextEncoder().encode(piece) : piece
    this.#total += bytes.length
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + 64 - this.#filled)
      this.#block.set(part, this.#filled)
      at += part.length
      this.#filled += part.length
      if (this.#filled < 64) break
      compress(this.#state, this.#block)
      this.#filled = 0
    }
  }

  /** Ends with a one bit, zeros up to the last eight bytes of a block, and the length in bits. */
  digest(): string {
    const block = this.#block
    block.fill(0, this.#filled)
    block[this.#filled] = 0x80
    if (this.#filled >= 56) {
      compress(this.#state, block)
      block.fill(0)
    }
    const view = new DataView(block.buffer)
    view.setUint32(56, Math.floor(this.#total / 2 ** 29))
    view.setUint32(60, (this.#total << 3) >>> 0)
    compress(this.#state, block)
    return Array.from(this.#state, (word) => word.toString(16).padStart(8, '0')).join('')
  }
}

const PRIMES = firstPrimes(64)
/** Square roots of the first primes start the state, cube roots are the rounds' constants. */
const ROOTS = PRIMES.slice(0, 8).map(Math.sqrt)
const ROUNDS = Uint32Array.from(PRIMES.map(Math.cbrt), fractionBits)

function firstPrimes(count: number): number[] {
  const primes: number[] = []
  for (let n = 2; primes.length < count; n++) if (primes.every((p) => n % p !== 0)) primes.push(n)
  return primes
}

/** The first 32 bits of the fraction. */
function fractionBits(value: number): number {
  return Math.floor((value - Math.floor(value)) * 2 ** 32)
}

const rotate = (x: number, by: number) => (x >>> by) | (x << (32 - by))
const words = new Uint32Array(64)

function compress(state: Uint32Array, block: Uint8Array): void {
  const view = new DataView(block.buffer)
  for (let i = 0; i < 16; i++) words[i] = view.getUint32(4 * i)
  for (let i = 16; i < 64; i++) {
    const w15 = words[i - 15]!
    const w2 = words[i - 2]!
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3)
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10)
    words[i] = words[i - 16]! + s0 + words[i - 7]! + s1
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number]
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i]! + words[i]!) | 0
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0]
  }
  for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) state[i] = state[i]! + value
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  return c
})

/** CRC-32 as in zip and PNG: finds accidents, not forgeries. */
export function crc32(content: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of content) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255]!
  return ~crc >>> 0
}
