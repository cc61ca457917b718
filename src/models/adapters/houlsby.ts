/**
 * Houlsby adapters (Houlsby et al. 2019, https://arxiv.org/abs/1902.00751): a bottleneck behind every sublayer, before it is
 * added to its input.
 *
 *   h <- h + W_up f(W_down h + b_down) + b_up        W_down (m, d), W_up (d, m)
 *
 * W_up and b_up start at zero, so that the network starts as it was; scales and shifts of normalisations train too, as in
 * the paper. Sublayers are the residual units of the graph: of a transformer, attention and feed-forward; of a
 * convolutional network its blocks, whose adapters are 1 x 1 convolutions. Not merged: the saved network holds them.
 */
import { GraftError, UsageError } from '../../base/errors.js'
import { attr, type Node } from '../../graph/graph.js'
import { float32, scalar, sizeOf } from '../../graph/tensor.js'
import type { Layer } from './layers.js'
import type { AdapterJob, AdapterMethod, BuiltAdapter } from './method.js'
import type { Residual } from './residuals.js'
import { stemOf } from './targets.js'
import type { NetworkView } from './view.js'

export interface HoulsbyOptions {
  /** m. @default 16 */
  readonly bottleneck?: number
  /** f. @default 'gelu' */
  readonly activation?: 'gelu' | 'relu'
  /** Whether normalisations train too. @default true */
  readonly norms?: boolean
}

/** @throws UsageError for a bottleneck that is no whole number of at least 1 */
export function houlsby(options: HoulsbyOptions = {}): AdapterMethod {
  const { bottleneck = 16, activation = 'gelu', norms = true } = options
  if (!Number.isInteger(bottleneck) || bottleneck < 1)
    throw new UsageError(`houlsby: the bottleneck is ${bottleneck}; expected a whole number of at least 1.`)
  return {
    name: 'houlsby',
    options: { bottleneck, activation, norms },
    touches: (view) => (norms ? [...normsOf(view).keys()] : []),
    build: (job) => build(job, bottleneck, activation, norms),
  }
}

const normsOf = (view: NetworkView): Map<string, Node | undefined> =>
  new Map(
    view.parameters
      .filter(({ role, readBy }) => role.startsWith('norm') && !readBy.every((node) => view.head.has(node)))
      .map(({ value, readBy }) => [value, readBy[0]]),
  )

function build(job: AdapterJob, bottleneck: number, activation: 'gelu' | 'relu', norms: boolean): BuiltAdapter {
  const units = job.view.residuals
  if (units.length === 0)
    throw new GraftError('Houlsby adapters stand behind residual units, and the network has none that is recognised.', {
      remedy: 'Take LoRA, which needs only layers.',
    })
  for (const unit of units) put(job, unit, bottleneck, activation)
  return norms ? { own: normsOf(job.view) } : {}
}

function put(job: AdapterJob, unit: Residual, bottleneck: number, activation: 'gelu' | 'relu'): void {
  const { surgery } = job
  const { layer, node, branch, direct } = unit
  // Shared layers take an adapter at each place where they stand.
  const stem = `${stemOf(layer)}.adapter`
  const adapt = (h: string, into?: string) => adapter(job, layer, node, stem, h, { bottleneck, activation, into })
  if (direct) surgery.setInput(node, branch, adapt(surgery.input(node, branch)))
  else
    surgery.after(layer.output, (before, into) => {
      adapt(before, into)
    })
}

interface Shape {
  readonly bottleneck: number
  readonly activation: 'gelu' | 'relu'
  readonly into: string | undefined
}

function adapter(job: AdapterJob, layer: Layer, at: Node, stem: string, h: string, shape: Shape): string {
  const { surgery, random } = job
  const { bottleneck: m, activation, into } = shape
  const d = layer.outputs
  const kernel = layer.kind === 'convolution' ? layer.arrangement.operand.slice(2).map(() => 1) : []
  const own = random.fork('houlsby', stem, at.name)
  const bound = 1 / Math.sqrt(d)
  const weight = (name: string, rows: number, columns: number, draw: () => number) => {
    // Convolutions hold (out, in, ...), products (in, out).
    const dims = kernel.length > 0 ? [rows, columns, ...kernel] : [columns, rows]
    return surgery.parameter(`${stem}.${name}`, float32(dims, Float32Array.from({ length: sizeOf(dims) }, draw)), at)
  }
  const vector = (name: string, n: number) =>
    surgery.parameter(`${stem}.${name}`, float32([n], new Float32Array(n)), at)
  const layerOf = (x: string, w: string, b: string) =>
    kernel.length > 0
      ? surgery.op('Conv', [x, w, b], { group: attr.int(1) })
      : surgery.op('Add', [surgery.op('MatMul', [x, w]), b])
  const inner = layerOf(
    h,
    weight('down.weight', m, d, () => own.uniform(-bound, bound)),
    vector('down.bias', m),
  )
  const outer = layerOf(
    activation === 'relu' ? surgery.op('Relu', [inner]) : gelu(job, inner),
    weight('up.weight', d, m, () => 0),
    vector('up.bias', d),
  )
  return surgery.op('Add', [h, outer], {}, into === undefined ? {} : { into })
}

/** x (1 + erf(x / sqrt(2))) / 2 */
function gelu({ surgery }: AdapterJob, x: string): string {
  const number = (value: number) => surgery.constant('graft.number', scalar(value))
  const erf = surgery.op('Erf', [surgery.op('Mul', [x, number(Math.SQRT1_2)])])
  return surgery.op('Mul', [surgery.op('Mul', [x, surgery.op('Add', [erf, number(1)])]), number(0.5)])
}
