/** Determinants, inverses and norms. */
import { MICROSOFT } from '#graft/ops/operator.js'
import { avoiding, type Draw } from '../../support/draw.js'
import { int, type OperatorCase, plain, use, x } from './case.js'

/** Matrices near 2 times the identity. */
const regular =
  (n: number): Draw =>
  (random, size) =>
    Float32Array.from({ length: size }, (_, i) => {
      const [row, column] = [Math.floor(i / n) % n, i % n]
      return (row === column ? 2 : 0) + 0.4 * random.normal()
    })

/** Matrices of n x n whose last row is the first. */
const singular =
  (n: number): Draw =>
  (random, size) => {
    const out = Float32Array.from({ length: size }, () => random.normal())
    for (let i = 0; i < size; i++) if (Math.floor(i / n) % n === n - 1) out[i] = out[i - n * (n - 1)] as number
    return out
  }

const norms = [{}, { p: int(1) }, { axis: int(1) }, { axis: int(0), p: int(1) }, { axis: int(-2), p: int(2) }]

export const linearAlgebraCases: readonly OperatorCase[] = [
  ...[1, 2, 3, 4].flatMap((n) => [use('Det', [x([n, n], regular(n))]), use('Det', [x([2, 3, n, n], regular(n))])]),
  use('Det', [x([3, 3], singular(3))], { note: 'singular' }),
  use('Det', [x([2, 2], singular(2))], { note: 'singular' }),
  use('Det', [x([14, 14], (random, size) => regular(14)(random, size).map((v) => v / 2))]),
  ...[1, 2, 3].map((n) => use('Inverse', [x([n, n], regular(n))], { domain: MICROSOFT })),
  use('Inverse', [x([2, 3, 3], regular(3))], { domain: MICROSOFT }),
  ...norms.map((attributes) => use('LpNormalization', [x([2, 3, 4], avoiding(0))], { attributes })),
  use('LpNormalization', [plain([2, 3], [0, 0, 0, 3, 0, 4])], { note: 'a norm of zero' }),
]
