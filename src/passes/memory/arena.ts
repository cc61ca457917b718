/**
 * onnxruntime's memory arena for one device, replayed: which pages it has touched after a series of requests. The arena
 * takes regions from the system, each at least twice the last, gives out the smallest free piece that is large enough, cuts
 * a piece where much would be left over, joins free neighbours, and returns nothing. Only touched pages are resident.
 */

/** Requests are rounded up to this. */
const STEP = 256
const FIRST_REGION = 1 << 20
/** A piece is cut where it is twice what is asked for, or leaves this much. */
const MOST_LEFT_OVER = 128 << 20
const PAGE = 4096

interface Piece {
  readonly region: number
  readonly offset: number
  size: number
  free: boolean
  before: Piece | undefined
  after: Piece | undefined
}

export class Arena {
  readonly #pages: Uint8Array[] = []
  readonly #used = new Map<number, Piece>()
  /** By size, then by age of the region and offset. */
  readonly #free: Piece[] = []
  #nextRegion = FIRST_REGION
  #touched = 0

  /** Bytes in touched pages. */
  get resident(): number {
    return this.#touched * PAGE
  }

  /**
   * @param id names the piece until it is released
   * @param touched parts that will be written, as [offset, length]; all of it where absent
   */
  take(id: number, bytes: number, touched: readonly (readonly [number, number])[] = [[0, bytes]]): void {
    if (bytes === 0) return
    const size = Math.ceil(bytes / STEP) * STEP
    let at = this.#firstOf(size)
    if (at === this.#free.length) {
      this.#extend(size)
      at = this.#firstOf(size)
    }
    const [piece] = this.#free.splice(at, 1) as [Piece]
    piece.free = false
    const left = piece.size - size
    if (left >= size || left >= MOST_LEFT_OVER) {
      const { region, offset, after } = piece
      const rest: Piece = { region, offset: offset + size, size: left, free: true, before: piece, after }
      if (after) after.before = rest
      piece.after = rest
      piece.size = size
      this.#insert(rest)
    }
    this.#used.set(id, piece)
    for (const [start, length] of touched) this.#touch(piece, start, Math.min(length, bytes - start))
  }

  release(id: number): void {
    let piece = this.#used.get(id)
    if (piece === undefined) return
    this.#used.delete(id)
    piece.free = true
    if (piece.after?.free) {
      this.#remove(piece.after)
      this.#join(piece, piece.after)
    }
    if (piece.before?.free) {
      this.#remove(piece.before)
      this.#join(piece.before, piece)
      piece = piece.before
    }
    this.#insert(piece)
  }

  #join(first: Piece, second: Piece): void {
    first.size += second.size
    first.after = second.after
    if (second.after) second.after.before = first
  }

  #extend(size: number): void {
    let bytes = this.#nextRegion
    while (bytes < size) bytes *= 2
    this.#nextRegion = bytes === this.#nextRegion ? 2 * bytes : bytes
    const region = this.#pages.length
    this.#pages.push(new Uint8Array(Math.ceil(bytes / PAGE)))
    this.#insert({ region, offset: 0, size: bytes, free: true, before: undefined, after: undefined })
  }

  #touch({ region, offset }: Piece, start: number, length: number): void {
    if (length <= 0) return
    const pages = this.#pages[region] as Uint8Array
    const end = Math.ceil((offset + start + length) / PAGE)
    for (let page = Math.floor((offset + start) / PAGE); page < end; page++)
      if (pages[page] === 0) {
        pages[page] = 1
        this.#touched++
      }
  }

  /** Position of the smallest free piece of at least `size`. */
  #firstOf(size: number): number {
    return this.#position((piece) => piece.size < size)
  }

  #insert(piece: Piece): void {
    this.#free.splice(
      this.#position((other) => compare(other, piece) < 0),
      0,
      piece,
    )
  }

  #remove(piece: Piece): void {
    this.#free.splice(
      this.#position((other) => compare(other, piece) < 0),
      1,
    )
  }

  /** The first free piece that is not before. */
  #position(before: (piece: Piece) => boolean): number {
    let low = 0
    let high = this.#free.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (before(this.#free[middle] as Piece)) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Later regions usually lie at lower addresses. */
function compare(a: Piece, b: Piece): number {
  return a.size - b.size || b.region - a.region || a.offset - b.offset
}
