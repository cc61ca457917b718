/**
 * The elements of the arrays in a JSON text, one by one, so that a file of any size is read without being held: of the array
 * that the text is, or of each array that is a value of the object that the text is.
 */
import { GraftError } from '../../base/errors.js'

export interface JsonElement {
  /** Key of the array in the object; undefined where the text is an array. */
  readonly key: string | undefined
  /** Position in its array, from 1. */
  readonly number: number
  /** Line on which it begins, from 1. */
  readonly line: number
  /** Its JSON text. */
  readonly text: string
}

type State = 'start' | 'array' | 'element' | 'object' | 'key' | 'colon' | 'value' | 'skipped' | 'end'

const [QUOTE, BACKSLASH, NEWLINE, COMMA, COLON] = [0x22, 0x5c, 0x0a, 0x2c, 0x3a]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** @throws GraftError where the text is neither array nor object, goes on after its end, or ends too early. */
export async function* jsonElements(name: string, chunks: AsyncIterable<string>): AsyncGenerator<JsonElement[]> {
  const scanner = new Scanner(name)
  for await (const chunk of chunks) {
    const found = scanner.scan(chunk)
    if (found.length > 0) yield found
  }
  scanner.end()
}

class Scanner {
  readonly #name: string
  #state: State = 'start'
  /** The arrays lie in an object. */
  #nested = false
  #key: string | undefined
  #number = 0
  #line = 1
  #began = 1
  /** Within an element, a key or a value that is passed over: open brackets, and whether a string is open. */
  #depth = 0
  #inString = false
  #escaped = false
  /** What earlier pieces held of the element or key that is open. */
  #held = ''
  #found: JsonElement[] = []

  constructor(name: string) {
    this.#name = name
  }

  /** The elements that end in this piece. */
  scan(chunk: string): JsonElement[] {
    this.#found = []
    let from = 0
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk.charCodeAt(i)
      if (c === NEWLINE) this.#line++
      if (this.#inString) this.#string(c, chunk, from, i)
      else if (c > 0x20) {
        if (this.#state === 'element' || this.#state === 'skipped') this.#within(c, chunk, from, i)
        else if (this.#between(c, chunk, i)) from = i
      }
    }
    if (this.#state === 'element' || this.#state === 'key') this.#held += chunk.slice(from)
    return this.#found
  }

  end(): void {
    if (this.#state === 'end') return
    if (this.#state === 'start')
      throw new GraftError(`${this.#name}: is empty`, { remedy: 'Give it a list of objects.' })
    throw new GraftError(`${this.#name}: ends on line ${this.#line} in the middle of the data`, {
      remedy: 'The file is cut off: copy or download it again.',
    })
  }

  #string(c: number, chunk: string, from: number, i: number): void {
    if (this.#escaped) this.#escaped = false
    else if (c === BACKSLASH) this.#escaped = true
    else if (c === QUOTE) {
      this.#inString = false
      if (this.#state !== 'key') return
      this.#key = String(JSON.parse(this.#held + chunk.slice(from, i + 1)))
      this.#held = ''
      this.#state = 'colon'
    }
  }

  #within(c: number, chunk: string, from: number, i: number): void {
    const closes = c === CLOSE_LIST || c === CLOSE_OBJECT
    if (c === QUOTE) this.#inString = true
    else if (c === OPEN_LIST || c === OPEN_OBJECT) this.#depth++
    else if (closes && this.#depth > 0) this.#depth--
    else if (closes || (c === COMMA && this.#depth === 0)) {
      if (this.#state === 'skipped') this.#state = closes ? 'end' : 'object'
      else {
        const text = this.#held + chunk.slice(from, i)
        this.#found.push({ key: this.#key, number: ++this.#number, line: this.#began, text })
        this.#held = ''
        this.#state = closes ? this.#afterArray() : 'array'
      }
    }
  }

  /** A sign between elements, keys and values; true where something begins with it that is to be held. */
  #between(c: number, chunk: string, i: number): boolean {
    const refuse = (expected: string) => unexpected(this.#name, this.#line, chunk.slice(i), expected)
    switch (this.#state) {
      case 'array':
        if (c === COMMA) return false
        if (c === CLOSE_LIST) {
          this.#state = this.#afterArray()
          return false
        }
        this.#enter('element', c)
        return true
      case 'start':
        if (c !== OPEN_LIST && c !== OPEN_OBJECT) throw refuse('a list ([) or an object ({)')
        this.#nested = c === OPEN_OBJECT
        this.#state = this.#nested ? 'object' : 'array'
        return false
      case 'object':
        if (c === CLOSE_OBJECT) this.#state = 'end'
        if (c === COMMA || c === CLOSE_OBJECT) return false
        if (c !== QUOTE) throw refuse('a key in double quotes')
        this.#enter('key', c)
        return true
      case 'colon':
        if (c !== COLON) throw refuse(`a colon after ${JSON.stringify(this.#key)}`)
        this.#state = 'value'
        return false
      case 'value':
        this.#number = 0
        if (c === OPEN_LIST) this.#state = 'array'
        else this.#enter('skipped', c)
        return false
      default:
        throw refuse('nothing after the end of the first value')
    }
  }

  #enter(state: State, c: number): void {
    this.#state = state
    this.#began = this.#line
    this.#depth = c === OPEN_LIST || c === OPEN_OBJECT ? 1 : 0
    this.#inString = c === QUOTE
  }

  #afterArray(): State {
    return this.#nested ? 'object' : 'end'
  }
}

function unexpected(name: string, line: number, found: string, expected: string): GraftError {
  return new GraftError(`${name}, line ${line}: found ${JSON.stringify(found.slice(0, 20))}, expected ${expected}`, {
    remedy: 'Give a list of objects, [{"text": ..., "label": ...}], or one object a line in a .jsonl file.',
  })
}
