/** Convolutions and pools. */
import { type Attribute, attr } from '#graft/graph/graph.js'
import { float32, int64Vector } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { avoiding, normal, spaced } from '../../support/draw.js'
import { int, list, type OperatorCase, truth, use, x } from './case.js'

interface Settings {
  readonly strides?: readonly number[]
  readonly dilations?: readonly number[]
  readonly pads?: readonly number[]
  readonly group?: number
  readonly bias?: boolean
}

/** A convolution of an input (N, C, spatial...) with a weight (O, C / group, kernel...). */
function conv(input: readonly number[], weight: readonly number[], settings: Settings = {}): OperatorCase {
  const attributes: Record<string, Attribute> = { kernel_shape: attr.ints(weight.slice(2)) }
  for (const name of ['strides', 'dilations', 'pads'] as const) {
    const given = settings[name]
    if (given) attributes[name] = attr.ints(given)
  }
  if (settings.group !== undefined) attributes.group = attr.int(settings.group)
  const bias = settings.bias ? [x([weight[0] as number])] : []
  return use('Conv', [x(input), x(weight), ...bias], { attributes })
}

const same = [1, 1, 1, 1]
const plain2d = [
  conv([2, 3, 5, 7], [4, 3, 3, 3], { bias: true }),
  conv([2, 3, 5, 6], [4, 3, 3, 3], { pads: same }),
  conv([2, 3, 7, 6], [4, 3, 3, 2], { pads: [0, 1, 2, 0], bias: true }),
  conv([2, 3, 7, 7], [4, 3, 3, 3], { pads: same, strides: [2, 2] }),
  conv([2, 3, 8, 7], [4, 3, 3, 3], { pads: same, strides: [2, 2] }),
  conv([1, 3, 9, 10], [2, 3, 3, 3], { strides: [3, 2], bias: true }),
  conv([1, 3, 11, 9], [2, 3, 2, 3], { strides: [3, 3], pads: [1, 0, 0, 2] }),
  conv([2, 3, 9, 9], [4, 3, 7, 7], { strides: [2, 2], pads: [3, 3, 3, 3] }),
  conv([2, 2, 7, 8], [3, 2, 3, 3], { dilations: [2, 2], pads: [2, 2, 2, 2] }),
  conv([2, 2, 9, 8], [3, 2, 3, 2], { dilations: [2, 3], strides: [2, 1] }),
  conv([1, 2, 4, 4], [3, 2, 2, 2], { pads: [2, 2, 2, 2] }),
  conv([1, 2, 3, 4], [3, 2, 1, 1], { pads: [1, 0, 2, 1] }),
  conv([1, 2, 4, 4], [3, 2, 2, 2], { pads: [3, 2, 2, 3], strides: [2, 2] }),
  conv([1, 2, 3, 3], [3, 2, 3, 3]),
  conv([2, 2, 5, 5], [3, 2, 5, 1], { pads: [2, 0, 2, 0] }),
]

const pointwise = [
  conv([2, 3, 5, 5], [4, 3, 1, 1], { bias: true }),
  conv([2, 3, 7, 8], [4, 3, 1, 1], { strides: [2, 2] }),
  conv([2, 3, 7, 8], [4, 3, 1, 1], { strides: [3, 1], bias: true }),
  conv([3, 24, 2, 2], [20, 24, 1, 1]),
  conv([3, 24, 3, 4], [20, 24, 1, 1], { strides: [2, 2] }),
  conv([2, 4, 5, 5], [6, 2, 1, 1], { group: 2 }),
  conv([2, 4, 6, 5], [6, 2, 1, 1], { group: 2, strides: [2, 2] }),
]

const depthwise = [
  conv([2, 3, 5, 6], [3, 1, 3, 3], { group: 3, pads: same, bias: true }),
  conv([2, 3, 7, 7], [3, 1, 3, 3], { group: 3, pads: same }),
  conv([2, 3, 7, 7], [3, 1, 5, 5], { group: 3, pads: [2, 2, 2, 2] }),
  conv([2, 3, 7, 7], [3, 1, 3, 3], { group: 3 }),
  conv([2, 3, 6, 7], [3, 1, 3, 2], { group: 3, pads: [0, 1, 2, 0] }),
  conv([2, 3, 7, 7], [3, 1, 3, 3], { group: 3, pads: same, strides: [2, 2] }),
  conv([2, 3, 8, 8], [3, 1, 5, 5], { group: 3, pads: [2, 2, 2, 2], strides: [2, 2] }),
  conv([2, 3, 14, 14], [3, 1, 3, 3], { group: 3, pads: same }),
  conv([2, 3, 14, 13], [3, 1, 5, 5], { group: 3, pads: [2, 2, 2, 2] }),
  conv([1, 2, 28, 28], [2, 1, 3, 3], { group: 2, pads: same }),
  conv([1, 2, 28, 28], [2, 1, 5, 5], { group: 2, pads: [2, 2, 2, 2] }),
  conv([1, 2, 26, 20], [2, 1, 1, 5], { group: 2, pads: [0, 1, 0, 3] }),
  conv([1, 2, 27, 28], [2, 1, 3, 3], { group: 2, pads: same, strides: [2, 2] }),
  conv([1, 2, 12, 30], [2, 1, 3, 3], { group: 2, pads: same }),
  conv([1, 2, 30, 31], [2, 1, 3, 3], { group: 2, pads: same, strides: [2, 2] }),
  conv([2, 2, 9, 9], [2, 1, 3, 3], { group: 2, dilations: [2, 2], pads: [2, 2, 2, 2] }),
  conv([2, 2, 5, 5], [4, 1, 3, 3], { group: 2, pads: same }),
  conv([1, 2, 14, 14], [2, 1, 1, 1], { group: 2 }),
]

const grouped = [
  conv([2, 6, 5, 6], [4, 3, 3, 3], { group: 2, pads: same, bias: true }),
  conv([2, 6, 7, 6], [9, 2, 3, 3], { group: 3, pads: [1, 0, 1, 1], strides: [2, 2] }),
  conv([2, 4, 7, 7], [4, 2, 3, 3], { group: 2, dilations: [2, 1], pads: [2, 1, 2, 1] }),
]

const otherRanks = [
  conv([2, 3, 9], [4, 3, 3], { bias: true }),
  conv([2, 3, 9], [4, 3, 3], { pads: [1, 1], strides: [2] }),
  conv([2, 3, 10], [4, 3, 4], { pads: [3, 0], dilations: [2] }),
  conv([2, 4, 9], [4, 1, 3], { group: 4, pads: [1, 1] }),
  conv([2, 3, 8], [4, 3, 1]),
  conv([2, 3, 8], [4, 3, 1], { strides: [3] }),
  conv([1, 2, 4, 5, 3], [3, 2, 2, 3, 2], { bias: true }),
  conv([1, 2, 5, 5, 4], [3, 2, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 1] }),
  conv([1, 2, 4, 4, 4], [2, 1, 2, 2, 2], { group: 2 }),
]

/** Larger weights: what chooses a lowering by the number of channels. */
const manyChannels = [
  conv([2, 16, 6, 6], [16, 16, 3, 3], { pads: same }),
  conv([1, 32, 4, 4], [32, 32, 3, 3], { pads: same }),
  conv([1, 16, 8, 8], [16, 16, 3, 3], { pads: same, strides: [2, 2] }),
]

const pool = (
  opType: string,
  input: readonly number[],
  attributes: Record<string, Attribute>,
  draw = normal,
): OperatorCase => use(opType, [x(input, draw)], { attributes })

const POOLS: readonly (readonly [readonly number[], Record<string, Attribute>])[] = [
  [[2, 3, 6, 6], { kernel_shape: list(2, 2), strides: list(2, 2) }],
  [[2, 3, 7, 7], { kernel_shape: list(3, 3), strides: list(2, 2), pads: list(1, 1, 1, 1) }],
  [[1, 2, 5, 6], { kernel_shape: list(3, 2) }],
  [[1, 2, 7, 8], { kernel_shape: list(3, 3), strides: list(2, 2), ceil_mode: int(1) }],
  [[1, 2, 8, 8], { kernel_shape: list(3, 3), strides: list(2, 2), pads: list(0, 0, 1, 1), ceil_mode: int(1) }],
  [[1, 2, 6, 6], { kernel_shape: list(2, 2), strides: list(3, 3), pads: list(1, 1, 0, 0), ceil_mode: int(1) }],
  [[1, 2, 4, 5], { kernel_shape: list(2, 2), strides: list(2, 2), pads: list(0, 0, 1, 1), ceil_mode: int(1) }],
  [[1, 2, 9, 8], { kernel_shape: list(3, 2), dilations: list(2, 3) }],
  [[1, 2, 9, 9], { kernel_shape: list(3, 3), dilations: list(2, 2), strides: list(2, 1), pads: list(1, 2, 2, 0) }],
  [[2, 2, 9], { kernel_shape: list(3), strides: list(2), pads: list(1, 0) }],
  [[1, 2, 4, 5, 4], { kernel_shape: list(2, 3, 2), strides: list(2, 1, 2) }],
  [[1, 2, 7, 7], { kernel_shape: list(2, 2), strides: list(3, 3) }],
]

const pools = [
  ...POOLS.flatMap(([input, attributes]) => [
    pool('MaxPool', input, attributes, spaced()),
    pool('AveragePool', input, attributes),
    pool('AveragePool', input, { ...attributes, count_include_pad: int(1) }),
    ...[1, 2, 3].map((p) => pool('LpPool', input, { ...attributes, p: int(p) }, avoiding(0))),
  ]),
  use('MaxPool', [x([1, 2, 5, 6], spaced())], {
    attributes: { kernel_shape: list(2, 2) },
    outputs: 2,
    note: 'with indices',
  }),
  use('MaxPool', [x([2, 2, 5, 6], spaced())], {
    attributes: { kernel_shape: list(2, 3), strides: list(2, 2), storage_order: int(1) },
    outputs: 2,
    note: 'with indices counted by columns',
  }),
  ...[
    [2, 3, 5],
    [2, 3, 4, 5],
    [1, 2, 3, 2, 2],
  ].flatMap((dims) => [
    use('GlobalAveragePool', [x(dims)]),
    use('GlobalMaxPool', [x(dims, spaced())]),
    ...[1, 2, 3].map((p) => use('GlobalLpPool', [x(dims, avoiding(0))], { attributes: { p: int(p) } })),
  ]),
  use('GlobalLpPool', [x([2, 2, 3, 3], avoiding(0))]),
  pool('LpPool', [1, 2, 5, 5], { kernel_shape: list(2, 2) }, avoiding(0)),
]

/** Branches of an If; they give out constants. */
const branch = (name: string, value: number): Attribute => {
  const g = new GraphBuilder(name, `${name}/`)
  const dims = g.namedConstant(`${name} dims`, int64Vector([2, 3]))
  g.append({
    name: '',
    opType: 'ConstantOfShape',
    domain: '',
    inputs: [dims],
    outputs: [`${name} out`],
    attributes: new Map([['value', attr.tensor(float32([1], [value]))]]),
  })
  g.outputs.push({ name: `${name} out`, type: 'float32', shape: [2, 3] })
  return { kind: 'graph', value: g.graph() }
}

/** The body of a Scan: from a piece of each input their sum and their product. */
const piecewise = (elements: number): Attribute => {
  const g = new GraphBuilder('piece', 'piece/')
  const [a, b] = ['piece a', 'piece b'].map((name) => g.input(name, { type: 'float32', shape: [elements] }))
  for (const [opType, output] of [
    ['Add', 'piece sum'],
    ['Mul', 'piece product'],
  ] as const)
    g.output(output, g.op(opType, [a as string, b as string], {}, { outputs: [output] }))
  return { kind: 'graph', value: g.graph() }
}

const others = [
  use('Scan', [x([3, 4]), x([3, 4])], { attributes: { body: piecewise(4), num_scan_inputs: int(2) }, outputs: 2 }),
  use('If', [truth([], 1)], { attributes: { then_branch: branch('then', 2), else_branch: branch('else', 3) } }),
]

export const windowCases: readonly OperatorCase[] = [
  ...plain2d,
  ...pointwise,
  ...depthwise,
  ...grouped,
  ...otherRanks,
  ...manyChannels,
  ...pools,
  ...others,
]
