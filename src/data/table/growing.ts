/** Typed arrays that grow at the end: what millions of rows leave behind costs what it weighs. */
type Numbers = Int32Array | Uint32Array | Float64Array | Uint8Array

export class Growing<T extends Numbers> {
  #array: T
  #length = 0

  /** @param empty an array of the wanted kind, for instance `new Int32Array(0)` */
  constructor(empty: T) {
    this.#array = empty
  }

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length === this.#array.length) {
      const Kind = this.#array.constructor as new (length: number) => T
      const larger = new Kind(Math.max(1024, Math.ceil(this.#array.length * 1.5)))
      larger.set(this.#array)
      this.#array = larger
    }
    this.#array[this.#length++] = value
  }

  at(index: number): number {
    return this.#array[index]!
  }

  /** Keeps the values at these positions, which ascend. */
  keep(positions: ArrayLike<number>): void {
    for (let to = 0; to < positions.length; to++) this.#array[to] = this.#array[positions[to]!]!
    this.#length = positions.length
  }

  /** The values, in an array of their number. */
  values(): T {
    return this.#array.slice(0, this.#length) as T
  }
}
