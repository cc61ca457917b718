/** Groups of samples that are copies of one another: joined pair by pair, then gathered and told. */
import { list } from './layout.js'
import type { Split } from './types.js'

export interface DuplicateGroup {
  /** Positions in the data set, ascending. */
  readonly members: readonly number[]
  /** All members have the same bytes. */
  readonly exact: boolean
}

export interface Duplicates {
  /** Groups of two and more. */
  readonly groups: readonly DuplicateGroup[]
  /** For every sample the first member of its group; itself where it is alone. (N) */
  readonly groupOf: Int32Array
  /** Groups whose members have different labels: at least one of these is wrong. */
  readonly conflicts: readonly DuplicateGroup[]
  /** Groups that lie on both sides of a split that the data gives. */
  readonly leaks: readonly DuplicateGroup[]
  /** Sentences on the above for a person. */
  readonly warnings: readonly string[]
}

/** What is to be known of samples to tell of their copies. */
export interface Copied {
  readonly one: string
  readonly many: string
  /** Whether two copies are exact. */
  readonly same: (i: number, j: number) => boolean
  /** Whether copies have one label: equal values. Undefined: labels are not compared. */
  readonly label: (i: number) => unknown
  readonly labelName: (i: number) => string
  readonly split: (i: number) => Split | undefined
  readonly name: (i: number) => string
  /** Groups within which labels must agree, where not all copies need to. (N) Default: all. */
  readonly agreeing?: Int32Array | undefined
}

/** The root of a sample's group. */
export function find(parent: Int32Array, i: number): number {
  let at = i
  while (parent[at] !== at) {
    parent[at] = parent[parent[at]!]!
    at = parent[at]!
  }
  return at
}

/** The smaller index stays the root, so that results do not depend on the order of joining. */
export function join(parent: Int32Array, i: number, j: number): void {
  const a = find(parent, i)
  const b = find(parent, j)
  parent[Math.max(a, b)] = Math.min(a, b)
}

/** @param parent for each sample another of its group, as {@link join} leaves it */
export function gather(parent: Int32Array, copied: Copied): Duplicates {
  const groupOf = parent.map((_, i) => find(parent, i))
  const groups = groupsOf(groupOf).map((members): DuplicateGroup => {
    return { members, exact: members.every((i) => copied.same(members[0]!, i)) }
  })
  const varied = (group: DuplicateGroup, value: (i: number) => unknown) => new Set(group.members.map(value)).size > 1
  const agreeing =
    copied.agreeing === undefined
      ? groups
      : groupsOf(copied.agreeing).map((members) => ({
          members,
          exact: members.every((i) => copied.same(members[0]!, i)),
        }))
  const conflicts = agreeing.filter((group) => varied(group, copied.label))
  const leaks = groups.filter(({ members }) => new Set(members.flatMap((i) => copied.split(i) ?? [])).size > 1)
  return { groups, groupOf, conflicts, leaks, warnings: describe(groups, conflicts, leaks, copied) }
}

/** Members of the groups of two and more, in the order of their first members. */
function groupsOf(groupOf: Int32Array): number[][] {
  const sizes = new Int32Array(groupOf.length)
  for (const root of groupOf) sizes[root]! += 1
  const members = new Map<number, number[]>()
  for (const [i, root] of groupOf.entries()) {
    if (sizes[root] === 1) continue
    const group = members.get(root)
    if (group === undefined) members.set(root, [i])
    else group.push(i)
  }
  return [...members.values()]
}

function describe(
  groups: readonly DuplicateGroup[],
  conflicts: readonly DuplicateGroup[],
  leaks: readonly DuplicateGroup[],
  { one, many, name, labelName, split }: Copied,
): string[] {
  const warnings: string[] = []
  const example = (found: readonly DuplicateGroup[], tell: (i: number) => string) =>
    list(found[0]!.members.slice(0, 1000).map(tell), 3)
  const copies = groups.reduce((sum, group) => sum + group.members.length - 1, 0)
  if (copies > 0) {
    const near = groups.filter((group) => !group.exact).length
    const kind = near === 0 ? 'exact copies' : near === groups.length ? 'near copies' : 'exact or near copies'
    warnings.push(
      `${copies} ${copies === 1 ? `${one} is a copy` : `${many} are ${kind}`} of another, for instance ${example(groups, name)}. Copies are kept on one side of the split.`,
    )
  }
  if (conflicts.length > 0) {
    const tell = (i: number) => `${name(i)} (${labelName(i)})`
    warnings.push(
      `${count(conflicts, `${one} has`, `${many} have`)} copies under different labels: ${example(conflicts, tell)}. Correct the labels.`,
    )
  }
  if (leaks.length > 0) {
    const tell = (i: number) => `${name(i)} (${split(i) ?? 'no split'})`
    warnings.push(
      `${count(leaks, `${one} lies`, `${many} lie`)} on both sides of the given split, which makes the measured accuracy too good: ${example(leaks, tell)}.`,
    )
  }
  return warnings
}

function count(groups: readonly unknown[], one: string, many: string): string {
  return `${groups.length} ${groups.length === 1 ? one : many}`
}
