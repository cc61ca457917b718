/** Named entities from the classes of words: spans in the BIO scheme, and how many of them were found. */

export interface Entity {
  readonly type: string
  /** Of the first word, from 0. */
  readonly start: number
  /** After the last word. */
  readonly end: number
}

/** Whether class names follow BIO: `O`, and `B-` or `I-` with the entity's type behind it. */
export function isBio(classes: readonly string[]): boolean {
  return classes.some((name) => /^[BI]-./.test(name)) && classes.every((name) => name === 'O' || /^[BI]-./.test(name))
}

/**
 * The entities of one text. `B-X` begins one; `I-X` goes on with it, or begins one where no entity of that type stands before
 * (as conlleval reads it, Tjong Kim Sang and De Meulder 2003).
 */
export function entitiesOf(tags: readonly string[]): Entity[] {
  const found: Entity[] = []
  let open: { type: string; start: number } | undefined
  tags.forEach((tag, i) => {
    const type = /^[BI]-(.+)$/.exec(tag)?.[1]
    const goesOn = open !== undefined && tag.startsWith('I-') && type === open.type
    if (open !== undefined && !goesOn) {
      found.push({ ...open, end: i })
      open = undefined
    }
    if (type !== undefined && !goesOn) open = { type, start: i }
  })
  if (open !== undefined) found.push({ ...(open as { type: string; start: number }), end: tags.length })
  return found
}

export interface EntityScore {
  readonly precision: number
  readonly recall: number
  /** 2 P R / (P + R), over all texts and types; 1 where there are none and none were found. */
  readonly f1: number
}

/** An entity counts as found where its type and both ends are right. */
export function entityScore(truth: readonly (readonly string[])[], found: readonly (readonly string[])[]): EntityScore {
  let [expected, predicted, right] = [0, 0, 0]
  const key = ({ type, start, end }: Entity) => `${start} ${end} ${type}`
  truth.forEach((tags, i) => {
    const own = new Set(entitiesOf(tags).map(key))
    const other = entitiesOf(found[i] ?? []).map(key)
    expected += own.size
    predicted += other.length
    for (const entity of other) if (own.has(entity)) right++
  })
  return {
    precision: predicted === 0 ? (expected === 0 ? 1 : 0) : right / predicted,
    recall: expected === 0 ? (predicted === 0 ? 1 : 0) : right / expected,
    f1: expected + predicted === 0 ? 1 : (2 * right) / (expected + predicted),
  }
}
