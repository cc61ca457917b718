/**
 * The one generator of randomness. A generator is keyed, not stepped from a global: `random.fork('augment', epoch, sample)`
 * gives the same stream whatever was drawn before, so that a resumed run draws what the uninterrupted one drew.
 *
 * xoshiro128** (Blackman and Vigna 2018), seeded by hashing the key with splitmix32.
 */
export type RandomKey = string | number

export class Random {
  readonly #key: number
  #a: number
  #b: number
  #c: number
  #d: number
  #spare: number | undefined

  constructor(seed: number, ...keys: readonly RandomKey[]) {
    let key = mix(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0)
    for (const part of keys) key = typeof part === 'number' ? mixNumber(key, part) : mixString(key, part)
    this.#key = key
    let state = key
    const next = () => {
      state = (state + 0x9e3779b9) >>> 0
      return finalise(state)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  /** An independent generator for a purpose; does not advance this one. */
  fork(...keys: readonly RandomKey[]): Random {
    return new Random(this.#key, ...keys)
  }

  /** 32 random bits. */
  bits(): number {
    const product = Math.imul(this.#b, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result
  }

  /** Uniform in [0, 1). */
  uniform(low = 0, high = 1): number {
    const unit = ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) / 2 ** 53
    return low + (high - low) * unit
  }

  /** Uniform integer in [0, n). */
  integer(n: number): number {
    return Math.floor(this.uniform() * n)
  }

  /** Standard normal (Box and Muller 1958). */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare
      this.#spare = undefined
      return spare
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    const angle = 2 * Math.PI * this.uniform()
    this.#spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  /** Gamma(shape, 1) (Marsaglia and Tsang 2000). */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.uniform()) ** (1 / shape)
    const d = shape - 1 / 3
    const c = 1 / Math.sqrt(9 * d)
    for (;;) {
      const x = this.normal()
      const v = (1 + c * x) ** 3
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
    }
  }

  /** Beta(a, b). */
  beta(a: number, b: number): number {
    const x = this.gamma(a)
    return x / (x + this.gamma(b))
  }

  /** A random permutation of 0 ... n - 1 (Fisher and Yates). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i)
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      const held = order[i]!
      order[i] = order[j]!
      order[j] = held
    }
    return order
  }

  /** A new array with the items in random order. */
  shuffle<T>(items: readonly T[]): T[] {
    return Array.from(this.permutation(items.length), (i) => items[i] as T)
  }
}

function finalise(x: number): number {
  let z = x
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return (z ^ (z >>> 15)) >>> 0
}

function mix(key: number, value: number): number {
  return finalise((Math.imul(key, 0x85ebca6b) + value + 0x9e3779b9) >>> 0)
}

function mixNumber(key: number, value: number): number {
  const whole = Math.floor(value)
  const fraction = value - whole
  const low = mix(mix(key, 0x6e756d), whole >>> 0)
  return mix(mix(low, Math.floor(whole / 2 ** 32) >>> 0), Math.floor(fraction * 2 ** 32) >>> 0)
}

function mixString(key: number, text: string): number {
  let mixed = mix(key, 0x737472)
  for (let i = 0; i < text.length; i++) mixed = mix(mixed, text.charCodeAt(i))
  return mixed
}
