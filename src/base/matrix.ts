/** A dense row-major float32 matrix: features (N, D), logits or probabilities (N, C). */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float32Array
}

export function matrix(rows: number, columns: number, data = new Float32Array(rows * columns)): Matrix {
  if (data.length !== rows * columns)
    throw new RangeError(`matrix ${rows} x ${columns} needs ${rows * columns} numbers, got ${data.length}`)
  return { rows, columns, data }
}

/** A view of one row, (D). */
export function row(m: Matrix, i: number): Float32Array {
  return m.data.subarray(i * m.columns, (i + 1) * m.columns)
}

/** A copy of the chosen rows, in the given order. */
export function takeRows(m: Matrix, indices: ArrayLike<number>): Matrix {
  const out = matrix(indices.length, m.columns)
  for (let i = 0; i < indices.length; i++) out.data.set(row(m, indices[i]!), i * m.columns)
  return out
}

/** The rows of several matrices of as many columns, one below the other; no matrix gives no rows. */
export function stackedRows(parts: readonly Matrix[]): Matrix {
  const [first, ...others] = parts
  if (first !== undefined && others.length === 0) return first
  const columns = first?.columns ?? 0
  const all = matrix(
    parts.reduce((sum, { rows }) => sum + rows, 0),
    columns,
  )
  let at = 0
  for (const part of parts) {
    if (part.columns !== columns) throw new RangeError(`rows of ${columns} and of ${part.columns} numbers do not stack`)
    all.data.set(part.data, at)
    at += part.data.length
  }
  return all
}

/** Index of the largest entry of each row; the first where several are equal. */
export function argmaxRows(m: Matrix): Int32Array {
  const out = new Int32Array(m.rows)
  for (let i = 0; i < m.rows; i++) {
    const values = row(m, i)
    let best = 0
    for (let j = 1; j < values.length; j++) if (values[j]! > values[best]!) best = j
    out[i] = best
  }
  return out
}

/** log sum exp(z), stable for any finite z. */
export function logSumExp(values: Float32Array): number {
  const max = values.reduce((a, b) => Math.max(a, b))
  return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0))
}

/** Row-wise softmax of logits / temperature, stable for any finite logits. */
export function softmaxRows(logits: Matrix, temperature = 1): Matrix {
  const out = matrix(logits.rows, logits.columns)
  for (let i = 0; i < logits.rows; i++) {
    const from = row(logits, i)
    const to = row(out, i)
    let max = Number.NEGATIVE_INFINITY
    for (const value of from) if (value > max) max = value
    let sum = 0
    for (let j = 0; j < from.length; j++) {
      const e = Math.exp((from[j]! - max) / temperature)
      to[j] = e
      sum += e
    }
    for (let j = 0; j < to.length; j++) to[j] = to[j]! / sum
  }
  return out
}
