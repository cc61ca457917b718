/** What samples without labels have in common, whatever they are. */

/** What a source says of samples, apart from the samples themselves. */
export interface SampleLabels {
  /** The source's own names. */
  readonly classes: readonly string[]
  /** (N), an index into `classes`; -1 where nothing is said. */
  readonly labels: Int32Array
}

/**
 * Positions in the order of the samples' contents. Where a sample lies (in which class's folder, in which row) then decides
 * nothing: a run on other labels of the same samples computes the same.
 */
export function byContent(contents: readonly string[]): number[] {
  return Array.from(contents.keys()).sort((a, b) => {
    const [x, y] = [contents[a]!, contents[b]!]
    return x < y ? -1 : x > y ? 1 : a - b
  })
}

/**
 * Labels of samples that are named by their content.
 *
 * @param known content and label, an index into `classes`
 * @param contents of the samples, (N)
 */
export function labelsByContent(
  classes: readonly string[],
  known: Iterable<readonly [content: string, label: number]>,
  contents: readonly string[],
): SampleLabels {
  const labelOf = new Map(known)
  return { classes, labels: Int32Array.from(contents, (content) => labelOf.get(content) ?? -1) }
}
