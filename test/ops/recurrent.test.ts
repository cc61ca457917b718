/**
 * LSTM, GRU and RNN against PyTorch: the formulas of the ONNX standard written out step by step and sample by sample, in
 * float64, differentiated by autograd. Of each gradient two weighted sums are compared, with waves of seeds 20 and 21.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { type Attribute, attr, type Model } from '#graft/graph/graph.js'
import { sizeOf } from '#graft/graph/tensor.js'
import { specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { model, node, value } from '../onnx/build.js'
import { runOnce, waves } from '../support/compare.js'

const [STEPS, BATCH, SIZE, HIDDEN] = [4, 3, 2, 3]

interface Case {
  readonly opType: 'RNN' | 'GRU' | 'LSTM'
  readonly direction: 'forward' | 'reverse' | 'bidirectional'
  readonly lengths: readonly number[]
  readonly attributes?: Readonly<Record<string, Attribute>>
  readonly peepholes?: boolean
  readonly loss: number
  readonly gradients: Readonly<Record<string, readonly [number, number]>>
}

const clip = { clip: attr.float(0.7) }

const CASES: readonly Case[] = [
  {
    opType: 'RNN',
    direction: 'bidirectional',
    lengths: [4, 2, 3],
    loss: -14.2774987,
    gradients: {
      X: [14.657903, 5.381994],
      W: [5.763387, 15.594705],
      R: [-3.317849, -17.390154],
      B: [0.314132, -0.943464],
      h0: [-3.83822, 10.772104],
    },
  },
  {
    opType: 'RNN',
    direction: 'reverse',
    lengths: [4, 4, 4],
    attributes: clip,
    loss: -1.2215309,
    gradients: {
      X: [5.355675, 6.890836],
      W: [3.066746, 4.523411],
      R: [-2.442186, -4.875159],
      B: [0.92972, -0.358672],
      h0: [1.014738, 1.643967],
    },
  },
  {
    opType: 'GRU',
    direction: 'bidirectional',
    lengths: [4, 2, 3],
    attributes: { linear_before_reset: attr.int(1) },
    loss: -4.2406298,
    gradients: {
      X: [1.597486, -0.753621],
      W: [0.790278, 1.934685],
      R: [4.332578, 4.598076],
      B: [4.303719, 5.112156],
      h0: [-0.386767, 1.541558],
    },
  },
  {
    opType: 'GRU',
    direction: 'reverse',
    lengths: [4, 2, 3],
    attributes: clip,
    loss: -3.5705339,
    gradients: {
      X: [-1.721475, -2.430354],
      W: [-1.83937, -1.240604],
      R: [0.935817, 0.361061],
      B: [-1.652647, -0.800959],
      h0: [2.004411, 3.091632],
    },
  },
  {
    opType: 'LSTM',
    direction: 'bidirectional',
    lengths: [4, 2, 3],
    peepholes: true,
    loss: -7.3026592,
    gradients: {
      X: [3.84217, 0.760887],
      W: [4.122144, 3.696249],
      R: [-0.44367, 0.483923],
      B: [4.32276, 1.836613],
      h0: [-0.945775, -1.151392],
      c0: [-1.258062, 1.712538],
      P: [-1.276509, 0.302861],
    },
  },
  {
    opType: 'LSTM',
    direction: 'reverse',
    lengths: [4, 4, 4],
    attributes: clip,
    peepholes: true,
    loss: -2.062134,
    gradients: {
      X: [-0.73115, -0.934197],
      W: [-0.90861, -0.521054],
      R: [0.466403, -0.317376],
      B: [-1.339203, 0.113952],
      h0: [0.297185, 0.451718],
      c0: [0.581061, 1.008844],
      P: [0.061417, -0.195943],
    },
  },
  {
    opType: 'LSTM',
    direction: 'forward',
    lengths: [4, 2, 3],
    attributes: { input_forget: attr.int(1) },
    peepholes: true,
    loss: -3.4474275,
    gradients: {
      X: [0.058499, 0.562495],
      W: [0.051064, -0.051336],
      R: [0.254142, -0.200346],
      B: [-0.776051, -0.355827],
      h0: [-0.077645, 0.073831],
      c0: [0.72006, 1.934937],
      P: [-0.201325, -0.487113],
    },
  },
  {
    opType: 'LSTM',
    direction: 'bidirectional',
    lengths: [1, 4, 2],
    loss: -5.4779948,
    gradients: {
      X: [-0.185696, -0.105863],
      W: [-0.633183, -0.078249],
      R: [-0.278203, 0.744698],
      B: [0.3543, -0.257112],
      h0: [-1.246962, -0.920633],
      c0: [-0.440833, 2.428869],
    },
  },
]

/** Axes of X, the states, and Y with the batch first; which `layout` 1 wants. */
const BATCH_FIRST = { state: [1, 0, 2], Y: [2, 0, 1, 3] }

function turned(tensor: HostTensor, perm: readonly number[]): HostTensor {
  const dims = perm.map((p) => tensor.dims[p] as number)
  const strides = tensor.dims.map((_, i) => sizeOf(tensor.dims.slice(i + 1)))
  const data = Float32Array.from({ length: tensor.data.length }, (_, flat) => {
    let [rest, from] = [flat, 0]
    for (let i = dims.length - 1; i >= 0; i--) {
      const at = rest % (dims[i] as number)
      rest = (rest - at) / (dims[i] as number)
      from += at * (strides[perm[i] as number] as number)
    }
    return Number(tensor.data[from])
  })
  return floats(dims, data)
}

function problem(
  c: Case,
  layout: number,
): { source: Model; feeds: Record<string, HostTensor>; cotangents: HostTensor[] } {
  const directions = c.direction === 'bidirectional' ? 2 : 1
  const gates = { RNN: 1, GRU: 3, LSTM: 4 }[c.opType] * HIDDEN
  const made = (seed: number, ...dims: number[]) => floats(dims, waves(seed, sizeOf(dims)))
  const first = (tensor: HostTensor) => (layout === 1 ? turned(tensor, BATCH_FIRST.state) : tensor)
  const cell = c.opType === 'LSTM'
  const feeds: Record<string, HostTensor> = {
    X: first(made(1, STEPS, BATCH, SIZE)),
    W: made(2, directions, gates, SIZE),
    R: made(3, directions, gates, HIDDEN),
    B: made(4, directions, 2 * gates),
    lengths: { type: 'int32', dims: [BATCH], data: Int32Array.from(c.lengths) },
    h0: first(made(5, directions, BATCH, HIDDEN)),
    ...(cell ? { c0: first(made(6, directions, BATCH, HIDDEN)) } : {}),
    ...(c.peepholes ? { P: made(7, directions, 3 * HIDDEN) } : {}),
  }
  const outputs = cell ? ['Y', 'Y_h', 'Y_c'] : ['Y', 'Y_h']
  const source = model(
    {
      inputs: Object.entries(feeds).map(([name, { type, dims }]) => value(name, dims, type)),
      outputs: outputs.map((name) => value(name, undefined)),
      nodes: [
        node(c.opType, Object.keys(feeds), outputs, {
          hidden_size: attr.int(HIDDEN),
          direction: attr.string(c.direction),
          ...c.attributes,
          ...(layout === 1 ? { layout: attr.int(1) } : {}),
        }),
      ],
    },
    layout === 1 ? 21 : 7,
  )
  const state = [directions, BATCH, HIDDEN]
  const y = made(8, STEPS, ...state)
  const cotangents = [
    layout === 1 ? turned(y, BATCH_FIRST.Y) : y,
    first(made(9, ...state)),
    ...(cell ? [first(made(10, ...state))] : []),
  ]
  return { source, feeds, cotangents }
}

/** The loss and the gradients of <cotangents, outputs>; an undefined cotangent leaves the output out of the node. */
async function gradients(
  engine: Engine,
  source: Model,
  feeds: Readonly<Record<string, HostTensor>>,
  cotangents: readonly (HostTensor | undefined)[],
): Promise<Record<string, HostTensor>> {
  const [original] = source.graph.nodes
  assert.ok(original)
  const outputs = original.outputs.map((name, i) => (cotangents[i] ? name : ''))
  const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]))
  const read = specialise(
    {
      ...source,
      graph: {
        ...source.graph,
        nodes: [{ ...original, outputs }],
        outputs: source.graph.outputs.filter((_, i) => cotangents[i]),
      },
    },
    { shapes },
  )
  const g = read.builder
  const all: Record<string, HostTensor> = { ...feeds }
  const seeds = new Map<string, string>()
  let loss: string | undefined
  outputs.forEach((name, i) => {
    const cotangent = cotangents[i]
    if (!cotangent) return
    const seed = g.input(`cotangent ${i}`, { type: 'float32', shape: cotangent.dims })
    all[`cotangent ${i}`] = cotangent
    seeds.set(read.value(name), seed)
    const term = g.op('ReduceSum', [g.op('Mul', [read.value(name), seed])], { keepdims: attr.int(0) })
    loss = loss === undefined ? term : g.op('Add', [loss, term])
  })
  const names = Object.keys(feeds).filter((name) => name !== 'lengths')
  for (const [name, gradient] of differentiate(g, seeds, names)) g.output(`gradient ${name}`, gradient)
  g.output('the loss', loss as string)
  return runOnce(engine, g.model(), all)
}

const dot = (tensor: HostTensor, seed: number) =>
  Array.from(waves(seed, tensor.data.length)).reduce((sum, w, i) => sum + w * Number(tensor.data[i]), 0)

const near = (found: number, expected: number, where: string) =>
  assert.ok(Math.abs(found - expected) <= 1e-5 * Math.abs(expected) + 2e-5, `${where}: ${found}; expected ${expected}`)

describe('recurrent layers', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const c of CASES)
    for (const layout of [0, 1])
      it(`${c.opType} ${c.direction}, lengths ${c.lengths}, ${Object.keys(c.attributes ?? {})} layout ${layout}`, async () => {
        const { source, feeds, cotangents } = problem(c, layout)
        const found = await gradients(engine, source, feeds, cotangents)
        near(Number(found['the loss']?.data[0]), c.loss, 'loss')
        for (const [name, expected] of Object.entries(c.gradients)) {
          const gradient = found[`gradient ${name}`]
          assert.ok(gradient, name)
          const back = layout === 1 && ['X', 'h0', 'c0'].includes(name) ? turned(gradient, BATCH_FIRST.state) : gradient
          expected.forEach((sum, k) => {
            near(dot(back, 20 + k), sum, `${name}, sum ${k}`)
          })
        }
      })

  it('gradients of some outputs alone add up to those of all', async () => {
    for (const c of CASES) {
      const { source, feeds, cotangents } = problem(c, 0)
      const whole = await gradients(engine, source, feeds, cotangents)
      const alone = await Promise.all(
        cotangents.map((cotangent, i) =>
          gradients(
            engine,
            source,
            feeds,
            cotangents.map((_, k) => (k === i ? cotangent : undefined)),
          ),
        ),
      )
      for (const name of Object.keys(c.gradients)) {
        const key = `gradient ${name}`
        const expected = whole[key] as HostTensor
        for (let i = 0; i < expected.data.length; i++) {
          const sum = alone.reduce((total, part) => total + Number((part[key] as HostTensor).data[i]), 0)
          near(sum, Number(expected.data[i]), `${c.opType} ${c.direction} ${name}[${i}]`)
        }
      }
    }
  })

  it('names inputs that do not fit', () => {
    const { source, feeds } = problem(CASES[0] as Case, 0)
    const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]))
    const inputs = source.graph.inputs.map((input) => ({ ...input, shape: undefined }))
    const wrong = { ...source, graph: { ...source.graph, inputs } }
    assert.throws(
      () => specialise(wrong, { shapes: { ...shapes, B: [2, 7] } }),
      /\[RNN Y\] takes its input 3 as \(2,6\) for X of \(4,3,2\); found \(2,7\)/,
    )
  })
})
