/** Rows that are not used: counted by kind, the first of each kind kept by name. */
import { GraftError } from '../../base/errors.js'
import type { SkipKind, SkippedFile } from '../types.js'

/** Rows of a kind that are named one by one; more are only counted. */
const NAMED = 1000

export class Skips {
  readonly #named: SkippedFile[] = []
  readonly #counts = new Map<SkipKind, number>()

  add(skip: SkippedFile): void {
    const count = (this.#counts.get(skip.kind) ?? 0) + 1
    this.#counts.set(skip.kind, count)
    if (count <= NAMED) this.#named.push(skip)
  }

  get named(): readonly SkippedFile[] {
    return this.#named
  }

  /** Rows and files that are at fault. */
  get faults(): number {
    let sum = 0
    for (const [kind, count] of this.#counts) if (kind !== 'other-file') sum += count
    return sum
  }

  /** Sentences: how many of each kind, with the first. */
  warnings(): string[] {
    return [...this.#counts].flatMap(([kind, count]) => {
      if (kind === 'other-file') return []
      const first = this.#named.find((skip) => skip.kind === kind)!
      const rows = count === 1 ? '1 text is' : `${count} texts are`
      return [
        `${rows} left out (${WHY[kind] ?? kind}): ${count === 1 ? '' : 'the first is '}${first.id}, which ${first.reason}.`,
      ]
    })
  }

  /** @throws GraftError where anything is at fault */
  refuse(name: string): void {
    if (this.faults === 0) return
    const faults = this.#named.filter(({ kind }) => kind !== 'other-file')
    const lines = faults.slice(0, 10).map(({ id, reason }) => `\n  ${id}: ${reason}`)
    const more = this.faults > 10 ? `\n  and ${this.faults - 10} more` : ''
    throw new GraftError(`${name}: ${this.faults} texts cannot be used${lines.join('')}${more}`, {
      remedy: 'Repair or remove them, or run without `strict` to leave them out.',
    })
  }
}

const WHY: Readonly<Partial<Record<SkipKind, string>>> = {
  empty: 'empty',
  malformed: 'not shaped like the others',
  unlabelled: 'no label',
  unreadable: 'unreadable',
}
