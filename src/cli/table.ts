/** Rows as aligned columns: the first (or the first few) to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[], left = 1): string[] {
  const widths = (rows[0] ?? []).map((_, c) => Math.max(...rows.map((cells) => (cells[c] ?? '').length)))
  return rows.map((cells) =>
    cells
      .map((cell, c) => (c < left ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
      .join('  ')
      .trimEnd(),
  )
}
