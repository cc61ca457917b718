/** Matrix products. */
import { MICROSOFT } from '#graft/ops/operator.js'
import { float, int, type OperatorCase, omitted, use, x } from './case.js'

const MATRICES: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [3, 4],
    [4, 5],
  ],
  [
    [1, 4],
    [4, 1],
  ],
  [
    [2, 3, 4],
    [4, 5],
  ],
  [
    [2, 2, 3, 4],
    [4, 5],
  ],
  [
    [3, 4],
    [2, 4, 5],
  ],
  [
    [2, 3, 4],
    [2, 4, 5],
  ],
  [
    [2, 1, 3, 4],
    [5, 4, 2],
  ],
  [
    [1, 3, 4],
    [2, 4, 5],
  ],
  [[4], [4, 5]],
  [[3, 4], [4]],
  [[4], [4]],
  [[4], [2, 4, 3]],
  [[2, 3, 4], [4]],
]

const FLAGS = [0, 1].flatMap((a) => [0, 1].map((b) => [a, b] as const))
const turned = (shape: readonly number[], flag: number) =>
  flag === 1 ? [...shape.slice(0, -2), shape.at(-1) as number, shape.at(-2) as number] : shape
const flags = (a: number, b: number) => ({ transA: int(a), transB: int(b) })

const gemms = [
  ...FLAGS.flatMap(([a, b]) => [
    use('Gemm', [x(turned([3, 4], a)), x(turned([4, 5], b)), x([5])], { attributes: flags(a, b) }),
    use('Gemm', [x(turned([3, 4], a)), x(turned([4, 5], b)), x([3, 1])], {
      attributes: { ...flags(a, b), alpha: float(0.5), beta: float(-1.5) },
    }),
  ]),
  use('Gemm', [x([3, 4]), x([4, 5])]),
  use('Gemm', [x([3, 4]), x([4, 5]), omitted], { attributes: { alpha: float(2) } }),
  use('Gemm', [x([3, 4]), x([4, 5]), x([])], { attributes: { beta: float(2) } }),
  use('Gemm', [x([3, 4]), x([4, 5]), x([1, 5])]),
  use('Gemm', [x([3, 4]), x([4, 5]), x([3, 5])]),
  use('Gemm', [x([1, 4]), x([4, 1]), x([1])]),
]

const fused = FLAGS.flatMap(([a, b]) =>
  (
    [
      [
        [3, 4],
        [4, 5],
      ],
      [
        [2, 3, 4],
        [2, 4, 5],
      ],
      [
        [2, 1, 3, 4],
        [1, 3, 4, 2],
      ],
      [
        [2, 3, 4],
        [4, 5],
      ],
      [
        [3, 4],
        [2, 4, 5],
      ],
    ] as const
  ).map(([left, right]) =>
    use('FusedMatMul', [x(turned(left, a)), x(turned(right, b))], {
      domain: MICROSOFT,
      attributes: { ...flags(a, b), ...(left.length === 3 ? { alpha: float(0.7) } : {}) },
    }),
  ),
)

export const productCases: readonly OperatorCase[] = [
  ...MATRICES.map(([a, b]) => use('MatMul', [x(a), x(b)])),
  ...gemms,
  ...fused,
]
