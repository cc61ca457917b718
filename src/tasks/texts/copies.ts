/**
 * Texts that occur more than once: the same but for case, spaces and Unicode's form. Copies are kept on one side of a split;
 * copies with different labels, and copies on both sides of a split that the data gives, are told.
 */
import { sha256 } from '#platform'
import type { Targets } from '../../data/targets.js'
import type { SampleTable, TextSample } from '../../data/text/types.js'
import type { Split } from '../../data/types.js'
import { counted } from '../../evaluate/format.js'
import { targetText } from './targetText.js'

export interface Copies {
  /** For every text the first that is the same; itself where it is alone. (N) */
  readonly groupOf: Int32Array
  /** Sentences for a person. */
  readonly warnings: readonly string[]
}

/** Letters that a warning quotes. */
const QUOTED = 60

export function findCopies(
  samples: SampleTable<TextSample>,
  targets: Targets,
  splits: readonly (Split | undefined)[],
): Copies {
  const groupOf = new Int32Array(samples.length)
  const firsts = new Map<string, number>()
  const conflicts = new Set<number>()
  const leaks = new Set<number>()
  const examples = new Map<number, string>()
  let copies = 0
  let at = 0
  for (const sample of samples) {
    const key = sha256(normalised(sample)).slice(0, 32)
    const first = firsts.get(key) ?? at
    if (first === at) firsts.set(key, at)
    else {
      copies++
      if (examples.size < 1000) examples.set(first, `"${shortened(sample.text)}"`)
      if (targetText(targets, first) !== targetText(targets, at)) conflicts.add(first)
      if (splits[first] !== splits[at]) leaks.add(first)
    }
    groupOf[at++] = first
  }
  const example = (found: ReadonlySet<number>) => {
    const [first = -1] = found
    return examples.get(first) ?? ''
  }
  const warnings: string[] = []
  if (copies > 0)
    warnings.push(
      `${counted(copies, 'text')} ${copies === 1 ? 'repeats' : 'repeat'} another, but for case and spaces. Copies stay on one side of a split that is drawn.`,
    )
  if (conflicts.size > 0)
    warnings.push(
      `${counted(conflicts.size, 'text')} ${conflicts.size === 1 ? 'occurs' : 'occur'} with different labels, such as ${example(conflicts)}. At least one label of each is wrong, or the text alone does not decide it.`,
    )
  if (leaks.size > 0)
    warnings.push(
      `${counted(leaks.size, 'text')} ${leaks.size === 1 ? 'lies' : 'lie'} on both sides of the split that the data gives, such as ${example(leaks)}. The figures are too good by what was seen before.`,
    )
  return { groupOf, warnings }
}

/** What makes two texts the same. */
function normalised({ text, pair }: TextSample): string {
  const plain = (value: string) => value.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim()
  return pair === undefined ? plain(text) : JSON.stringify([plain(text), plain(pair)])
}

function shortened(text: string): string {
  const line = text.replace(/\s+/gu, ' ').trim()
  return line.length <= QUOTED ? line : `${line.slice(0, QUOTED - 1)}…`
}
