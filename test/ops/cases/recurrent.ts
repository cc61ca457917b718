/** LSTM, GRU and RNN: directions, lengths, states, activations, clips, peepholes and the forms of the gates. */
import type { Attribute } from '#graft/graph/graph.js'
import { between, type Draw } from '../../support/draw.js'
import { type CaseInput, constant, float, int, type OperatorCase, omitted, text, use, whole, x } from './case.js'

const strings = (...value: string[]): Attribute => ({ kind: 'strings', value })
const floats = (...value: number[]): Attribute => ({ kind: 'floats', value })

const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const
type Kind = keyof typeof GATES

interface Form {
  readonly steps?: number
  readonly batch?: number
  readonly size?: number
  readonly hidden?: number
  readonly direction?: 'forward' | 'reverse' | 'bidirectional'
  readonly bias?: false
  readonly lengths?: readonly number[]
  /** Whether the lengths are known before running. */
  readonly known?: boolean
  readonly initial?: boolean
  readonly cell?: boolean
  readonly peepholes?: boolean
  readonly attributes?: Readonly<Record<string, Attribute>>
  /** Where the gates' inputs lie, as the biases say, all else being small: clear of the activations' kinks. */
  readonly around?: readonly number[]
}

/** Biases at the given places for the inputs; the recurrent ones, which a GRU may multiply by a gate, are small. */
const biases =
  (around: readonly number[], gates: number): Draw =>
  (random, size) =>
    Float32Array.from({ length: size }, (_, i) =>
      i % (2 * gates) < gates ? (around[random.integer(around.length)] as number) : random.uniform(-0.05, 0.05),
    )

/** Weights small enough for states that neither vanish nor explode. */
const small = between(-0.7, 0.7)

function form(kind: Kind, f: Form): OperatorCase {
  const { steps = 4, batch = 3, size = 2, hidden = 3 } = f
  const directions = f.direction === 'bidirectional' ? 2 : 1
  const gates = GATES[kind] * hidden
  const state = [directions, batch, hidden]
  const [input, first, second, third] = f.around
    ? [between(-0.4, 0.4), between(-0.25, 0.25), between(-0.1, 0.1), biases(f.around, gates)]
    : [undefined, small, small, small]
  const lengths = (values: readonly number[]): CaseInput =>
    f.known
      ? constant({ type: 'int32', dims: [batch], data: Int32Array.from(values) })
      : whole([batch], values, 'int32')
  const inputs: CaseInput[] = [
    x([steps, batch, size], input),
    x([directions, gates, size], first),
    x([directions, gates, hidden], second),
    f.bias === false ? omitted : x([directions, 2 * gates], third),
    f.lengths ? lengths(f.lengths) : omitted,
    f.initial ? x(state, input) : omitted,
    ...(kind === 'LSTM'
      ? [f.cell ? x(state, input) : omitted, f.peepholes ? x([directions, 3 * hidden], second) : omitted]
      : []),
  ]
  return use(kind, inputs, {
    outputs: kind === 'LSTM' ? 3 : 2,
    attributes: {
      hidden_size: int(hidden),
      ...(f.direction ? { direction: text(f.direction) } : {}),
      ...f.attributes,
    },
    note: f.lengths ? `lengths ${f.lengths.join()}${f.known ? ' known' : ''}` : '',
  })
}

/** Inside a clip of about 0.75, and on either side of it. */
const CLIPPED = [-1.5, 0, 1.5]
/** On either side of a corner at 0. */
const CORNERED = [-1.5, 1.5]

const SHAPES: readonly Form[] = [
  {},
  { bias: false },
  { steps: 1, initial: true, cell: true },
  { steps: 1, batch: 1, size: 1, hidden: 1 },
  { steps: 6, batch: 2, size: 5, hidden: 4, initial: true, cell: true },
  { direction: 'reverse' },
  { direction: 'reverse', initial: true, cell: true },
  { direction: 'bidirectional' },
  { direction: 'bidirectional', initial: true, cell: true, bias: false },
  { lengths: [4, 1, 3] },
  { lengths: [4, 1, 3], initial: true, cell: true },
  { lengths: [2, 1, 3], direction: 'reverse' },
  { lengths: [2, 4, 1], direction: 'reverse', initial: true, cell: true },
  { lengths: [3, 4, 2], direction: 'bidirectional', initial: true, cell: true },
  { lengths: [4, 4, 4], known: true, initial: true, cell: true },
  { lengths: [1, 4, 2], known: true, direction: 'bidirectional', initial: true },
  { around: CLIPPED, attributes: { clip: float(0.8) } },
  { around: CLIPPED, lengths: [4, 2, 3], initial: true, cell: true, attributes: { clip: float(0.7) } },
]

const activations = (...names: string[]) => ({ activations: strings(...names) })

const RNNS: readonly Form[] = [
  ...['Relu', 'Sigmoid', 'Elu', 'Softsign', 'Softplus', 'LeakyRelu', 'HardSigmoid', 'ThresholdedRelu'].map((name) => ({
    initial: true,
    around: CORNERED,
    attributes: activations(name),
  })),
  { attributes: { ...activations('Affine'), activation_alpha: floats(0.7), activation_beta: floats(0.2) } },
  { attributes: { ...activations('ScaledTanh'), activation_alpha: floats(1.7), activation_beta: floats(0.6) } },
  { around: CORNERED, attributes: { ...activations('LeakyRelu'), activation_alpha: floats(0.3) } },
  { around: CORNERED, attributes: { ...activations('Elu'), activation_alpha: floats(0.6) } },
  { around: CLIPPED, attributes: { ...activations('Elu'), clip: float(0.8) } },
  {
    direction: 'bidirectional',
    around: CORNERED,
    attributes: {
      ...activations('ThresholdedRelu', 'HardSigmoid'),
      activation_alpha: floats(0.1, 0.2),
      activation_beta: floats(0.4),
    },
  },
]

const GRUS: readonly Form[] = [
  ...SHAPES.map((shape) => ({ ...shape, attributes: { ...shape.attributes, linear_before_reset: int(1) } })),
  { initial: true, attributes: activations('Softsign', 'Softplus') },
  {
    direction: 'bidirectional',
    around: CORNERED,
    attributes: {
      ...activations('HardSigmoid', 'LeakyRelu', 'Sigmoid', 'ScaledTanh'),
      activation_alpha: floats(0.2, 0.4, 0.9),
      activation_beta: floats(0.45, 0.7),
      linear_before_reset: int(1),
    },
  },
]

const LSTMS: readonly Form[] = [
  ...SHAPES.map((shape) => ({ ...shape, peepholes: true })),
  ...SHAPES.slice(4, 14).map((shape) => ({ ...shape, attributes: { input_forget: int(1) } })),
  {
    around: CLIPPED,
    peepholes: true,
    initial: true,
    cell: true,
    attributes: { input_forget: int(1), clip: float(0.8) },
  },
  { peepholes: true, lengths: [3, 1, 4], direction: 'bidirectional', attributes: { input_forget: int(1) } },
  { peepholes: true, cell: true, attributes: activations('Softsign', 'Softplus', 'Elu') },
  {
    direction: 'bidirectional',
    around: CORNERED,
    attributes: {
      ...activations('HardSigmoid', 'Affine', 'Tanh', 'Sigmoid', 'ScaledTanh', 'Softsign'),
      activation_alpha: floats(0.2, 0.8, 0.9),
      activation_beta: floats(0.45, 0.1, 0.7),
    },
  },
]

export const recurrentCases: readonly OperatorCase[] = [
  ...[...SHAPES, ...RNNS].map((f) => form('RNN', f)),
  ...[...SHAPES, ...GRUS].map((f) => form('GRU', f)),
  ...[...SHAPES, ...LSTMS].map((f) => form('LSTM', f)),
]
