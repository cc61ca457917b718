/**
 * Labels of words that mark names: B- begins one, I- continues it, O is outside (IOB2, also called BIO; Tjong Kim Sang and
 * Veenstra 1999). The older IOB1, where B- stands only between two names that touch, is turned into IOB2.
 */
export interface TagReport {
  /** Words whose I- continues nothing of its kind. */
  readonly dangling: number
  /** Words whose B- follows a name of its kind directly. */
  readonly touching: number
  /** Words whose B- begins a name elsewhere. */
  readonly begins: number
}

/** Whether a label is O, or a kind with a place: `B-PER`, `I_LOC`, `S-ORG`. */
export function isTag(label: unknown): boolean {
  return typeof label === 'string' && /^(O|[BIESLU][-_].+)$/.test(label)
}

const partsOf = (tag: string): { place: string; kind: string } => ({ place: tag[0]!, kind: tag.slice(2) })

/** Counts how names begin, over one sentence. */
export function countBegins(tags: readonly string[]): TagReport {
  let [dangling, touching, begins] = [0, 0, 0]
  for (const [i, tag] of tags.entries()) {
    if (tag === 'O') continue
    const { place, kind } = partsOf(tag)
    const before = i === 0 || tags[i - 1] === 'O' ? undefined : partsOf(tags[i - 1]!)
    if (place === 'I' && before?.kind !== kind) dangling++
    else if (place === 'B' && before?.kind === kind) touching++
    else if (place === 'B') begins++
  }
  return { dangling, touching, begins }
}

/** Whether the counts over a data set are those of IOB1: names begin with I-, and B- stands only where two touch. */
export function isIob1({ dangling, begins }: TagReport): boolean {
  return dangling > 0 && begins === 0
}

/** One sentence's tags with every name begun by B-. */
export function toIob2(tags: readonly string[]): string[] {
  return tags.map((tag, i) => {
    if (!tag.startsWith('I')) return tag
    const before = i === 0 ? 'O' : tags[i - 1]!
    return before === 'O' || partsOf(before).kind !== partsOf(tag).kind ? `B${tag.slice(1)}` : tag
  })
}
