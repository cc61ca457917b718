/** Which known names someone may have meant. */

/** Edit distance (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min(
          (row[j] as number) + 1,
          (next[j - 1] as number) + 1,
          (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      )
    row = next
  }
  return row[b.length] as number
}

/** The names nearest to a wanted one: those that contain it or are contained in it first, then by edit distance. */
export function nearNames(wanted: string, names: Iterable<string>, count = 5): string[] {
  const lower = wanted.toLowerCase()
  const score = (name: string) => {
    const other = name.toLowerCase()
    const contained = other.includes(lower) || lower.includes(other)
    return contained ? Math.abs(name.length - wanted.length) / 1000 : distance(lower.slice(-64), other.slice(-64))
  }
  return Array.from(new Set(names), (name) => ({ name, score: score(name) }))
    .sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map(({ name }) => name)
}
