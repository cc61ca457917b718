/** Gathers the labels of words as sentences are read, and makes targets of them. */
import { GraftError } from '../../base/errors.js'
import { list } from '../layout.js'
import { Growing } from '../table/growing.js'
import type { Cell } from '../table/table.js'
import type { TokenTargets } from '../targets.js'
import { countBegins, isIob1, isTag, toIob2 } from './bio.js'

export interface WordLabelQuery {
  /** The column, for messages. */
  readonly name: string
  readonly classes?: readonly string[] | undefined
  /** Names of numbered classes that the data gives. */
  readonly classNames?: readonly string[] | undefined
}

export interface UnderstoodWordLabels {
  readonly targets: TokenTargets
  readonly note: string
  readonly warnings: readonly string[]
}

export class WordLabelCollector {
  readonly #query: WordLabelQuery
  readonly #names: string[] = []
  readonly #positions = new Map<string, number>()
  readonly #labels = new Growing(new Int32Array(0))
  readonly #ends = new Growing(new Float64Array(0))

  constructor(query: WordLabelQuery) {
    this.#query = query
  }

  /** The labels of the next sentence: names, or numbers of named classes; null or a number below 0 for a word without. */
  add(labels: readonly Cell[]): void {
    for (const label of labels) {
      const name = this.#nameOf(label)
      if (name === undefined) {
        this.#labels.push(-1)
        continue
      }
      let position = this.#positions.get(name)
      if (position === undefined) {
        position = this.#names.length
        this.#names.push(name)
        this.#positions.set(name, position)
      }
      this.#labels.push(position)
    }
    this.#ends.push(this.#labels.length)
  }

  #nameOf(label: Cell): string | undefined {
    const { classNames, name } = this.#query
    if (label === null || label === '' || (typeof label === 'number' && label < 0)) return undefined
    if (classNames === undefined || (typeof label === 'string' && classNames.includes(label))) return String(label)
    const found = classNames[Number(label)]
    if (found !== undefined) return found
    throw new GraftError(
      `${JSON.stringify(name)}: label ${String(label)} of a word, expected a number below ${classNames.length}`,
      {
        remedy: 'Correct the label, or the names of the classes in the description of the data.',
      },
    )
  }

  /** @throws GraftError where a label is not among the classes that were given */
  understand(): UnderstoodWordLabels {
    const warnings: string[] = []
    const tagged = this.#names.every(isTag) && this.#names.some((name) => name !== 'O')
    const sentences = this.#sentences()
    const counts = { dangling: 0, touching: 0, begins: 0 }
    if (tagged)
      for (const labels of sentences) {
        const found = countBegins(this.#tags(labels))
        counts.dangling += found.dangling
        counts.touching += found.touching
        counts.begins += found.begins
      }
    const iob1 = tagged && isIob1(counts)
    if (iob1) warnings.push('Names begin with I- (IOB1): they are read as BIO, in which B- begins every name.')
    else if (counts.dangling > 0)
      warnings.push(
        `${counts.dangling} ${counts.dangling === 1 ? 'word continues' : 'words continue'} (I-) a name that was not begun (B-). They are left as they are.`,
      )
    // For each sentence the name of each word's label; undefined for a word without.
    const named = sentences.map((positions) => {
      const tags = iob1 ? toIob2(this.#tags(positions)) : undefined
      return Array.from(positions, (position, word) =>
        position === -1 ? undefined : (tags?.[word] ?? this.#names[position]!),
      )
    })
    const classes = this.#classes([...new Set(named.flat())].filter((name) => name !== undefined))
    const at = new Map(classes.map((name, i) => [name, i]))
    const labels = named.map((names) => Int32Array.from(names, (name) => (name === undefined ? -1 : at.get(name)!)))
    const { name } = this.#query
    const note = `${JSON.stringify(name)} has a label a word (${list(classes, 12)})${tagged ? ', in the manner of BIO' : ''}.`
    return { targets: { kind: 'token-labels', classes, labels }, note, warnings }
  }

  #sentences(): Int32Array[] {
    const all = this.#labels.values()
    const sentences: Int32Array[] = []
    for (let i = 0; i < this.#ends.length; i++)
      sentences.push(all.subarray(i === 0 ? 0 : this.#ends.at(i - 1), this.#ends.at(i)))
    return sentences
  }

  /** A word without a label stands outside of names. */
  #tags(labels: Int32Array): string[] {
    return Array.from(labels, (position) => this.#names[position] ?? 'O')
  }

  /** O first, then by kind, each with its B- before its I-. */
  #classes(seen: readonly string[]): string[] {
    const given = this.#query.classes ?? this.#query.classNames
    if (given === undefined) {
      const key = (name: string) => (name === 'O' ? '' : isTag(name) ? `${name.slice(2)} ${name}` : name)
      return [...seen].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
    }
    const unknown = seen.filter((name) => !given.includes(name))
    if (unknown.length === 0) return [...given]
    throw new GraftError(
      `${JSON.stringify(this.#query.name)}: the classes ${list(unknown)} are not among ${list(given, 10)}`,
      {
        remedy: 'Rename these labels to the classes of the model, or leave them out.',
      },
    )
  }
}
