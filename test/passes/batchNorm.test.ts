/** Frozen and train-mode batch norm, against PyTorch's numbers and central differences. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { Random } from '#graft/base/random.js'
import { attr, type Node } from '#graft/graph/graph.js'
import { float32 } from '#graft/graph/tensor.js'
import { foldIntoConvolution, withBatchStatistics } from '#graft/passes/batchNorm.js'
import { type BatchNormMode, specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { model, node, value, weights } from '../onnx/build.js'
import { assertClose, runOnce, waves } from '../support/compare.js'
import { between, normal } from '../support/draw.js'
import { checkGradients } from '../support/gradients.js'

const EPSILON = { epsilon: attr.float(1e-3) }
const norm = (x: string, y: string): Node =>
  node('BatchNormalization', [x, 'gamma', 'beta', 'mean', 'variance'], [y], EPSILON)

/**
 * torch.nn.BatchNorm1d(2, eps=1e-3, momentum=0.2) on two batches x = waves(1), waves(2) of shape (2, 2, 3), from gamma
 * (1.5, -0.5), beta (0.25, 1), running mean (0.1, -0.2) and variance (0.5, 2), with <waves(7), y> as the loss. PyTorch 2.
 */
const TORCH = [
  {
    y: [
      2.2901716, -2.2613065, 1.7648069, 1.6386483, 0.501241, 1.3365182, 0.3206877, -0.1313309, -0.4830289, 0.6773175,
      1.4735165, 0.3727584,
    ],
    mean: [0.105010979, -0.160526901],
    variance: [0.466347247, 1.642876506],
    dx: [
      0.22620343, 0.19190827, -0.05737695, -0.17018411, 0.39073515, -0.21319196, -0.55652201, 0.92811263, -0.7323252,
      -0.22337469, 0.40575388, -0.18973824,
    ],
    dGamma: [2.351034641, 2.408835411],
    dBeta: [0.267648876, 0.483780324],
  },
  {
    y: [
      1.3336355, -1.9610718, 1.4748269, 1.4926745, 0.1817811, 1.4672595, 1.3400687, -1.7623127, 1.0748535, 1.2711695,
      0.4710003, 1.1161149,
    ],
    mean: [0.142975941, -0.178793877],
    variance: [0.546464682, 1.452412605],
    dx: [
      0.88082409, -0.63175446, 0.43723387, 0.30797595, -0.15401894, 0.12084075, -0.51239777, 0.76888645, -0.94279206,
      -0.25939432, 0.4068014, -0.42220482,
    ],
    dGamma: [0.937829554, -0.603620827],
    dBeta: [0.267648876, 0.483780324],
  },
] as const

const channels = (count: number) => ({
  gamma: weights([count], 2),
  beta: weights([count], 3),
  mean: weights([count], 4),
  variance: float32(
    [count],
    Float32Array.from({ length: count }, (_, i) => 0.5 + 0.4 * i),
  ),
})

describe('batch norm', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  it('in train mode: outputs, gradients and running statistics are those of PyTorch', async () => {
    let statistics = { mean: [0.1, -0.2] as readonly number[], variance: [0.5, 2] as readonly number[] }
    for (const [i, expected] of TORCH.entries()) {
      const source = model({
        inputs: [value('x', [2, 2, 3])],
        outputs: [value('y', [2, 2, 3])],
        nodes: [norm('x', 'y')],
        initializers: new Map([
          ['gamma', float32([2], [1.5, -0.5])],
          ['beta', float32([2], [0.25, 1])],
          ['mean', float32([2], statistics.mean)],
          ['variance', float32([2], statistics.variance)],
        ]),
      })
      const {
        builder: g,
        value: at,
        statistics: moved,
      } = specialise(source, {
        shapes: { x: [2, 2, 3] },
        batchNorm: { kind: 'train', momentum: 0.2 },
      })
      const seed = g.input('seed', { type: 'float32', shape: [2, 2, 3] })
      const gradients = differentiate(g, new Map([[at('y'), seed]]), ['x', 'gamma', 'beta', 'mean', 'variance'])
      assert.deepEqual(
        [...gradients.keys()].sort(),
        ['beta', 'gamma', 'x'],
        'running statistics have no part in the output',
      )
      for (const [name, gradient] of gradients) g.output(`gradient of ${name}`, gradient)
      for (const { statistic, value: next } of moved) g.output(`next ${statistic}`, next)
      g.output('out', at('y'))
      const found = await runOnce(engine, g.model(), {
        x: floats([2, 2, 3], waves(i + 1, 12)),
        seed: floats([2, 2, 3], waves(7, 12)),
      })
      assertClose(found.out?.data, expected.y, 'y')
      assertClose(found['gradient of x']?.data, expected.dx, 'dx', 1e-5, 1e-5)
      assertClose(found['gradient of gamma']?.data, expected.dGamma, 'dGamma')
      assertClose(found['gradient of beta']?.data, expected.dBeta, 'dBeta')
      assertClose(found['next mean']?.data, expected.mean, 'running mean')
      assertClose(found['next variance']?.data, expected.variance, 'running variance')
      statistics = { mean: expected.mean, variance: expected.variance }
    }
  })

  it('in train mode: gradients equal central differences', async () => {
    const random = new Random(1, 'train mode')
    for (const dims of [
      [4, 3],
      [3, 2, 5],
      [2, 3, 2, 3],
    ])
      await checkGradients(engine, {
        label: `train-mode batch norm (${dims})`,
        vary: {
          x: floats(
            dims,
            normal(
              random,
              dims.reduce((a, b) => a * b, 1),
            ),
          ),
          gamma: floats([dims[1] as number], normal(random, dims[1] as number)),
          beta: floats([dims[1] as number], normal(random, dims[1] as number)),
        },
        feeds: {
          mean: floats([dims[1] as number], normal(random, dims[1] as number)),
          variance: floats([dims[1] as number], between(0.5, 2)(random, dims[1] as number)),
        },
        build: (g) => {
          withBatchStatistics(g, norm('x', 'y'), ['x', 'gamma', 'beta', 'mean', 'variance'], 0.1)
          return ['y']
        },
      })
  })

  it('folded into a convolution: gradients equal central differences', async () => {
    const random = new Random(1, 'folded')
    for (const bias of [false, true]) {
      const vary = {
        x: floats([2, 3, 5, 5], normal(random, 150)),
        w: floats([4, 3, 3, 3], normal(random, 108)),
        ...(bias ? { b: floats([4], normal(random, 4)) } : {}),
        gamma: floats([4], normal(random, 4)),
        beta: floats([4], normal(random, 4)),
        mean: floats([4], normal(random, 4)),
        variance: floats([4], between(0.5, 2)(random, 4)),
      }
      const moved = await checkGradients(engine, {
        label: `folded batch norm, bias ${bias}`,
        vary,
        build: (g) => {
          const convolution = node('Conv', ['x', 'w', ...(bias ? ['b'] : [])], ['conv'], {
            kernel_shape: attr.ints([3, 3]),
            pads: attr.ints([1, 1, 1, 1]),
          })
          assert.ok(
            foldIntoConvolution(g, convolution, norm('conv', 'y'), ['conv', 'gamma', 'beta', 'mean', 'variance']),
          )
          return ['y']
        },
      })
      assert.deepEqual([...moved].sort(), Object.keys(vary).sort())
    }
  })

  /** A convolution, perhaps grouped or biased, whose norm is followed by another without a convolution before it. */
  const network = (group: number, bias: boolean) => {
    const own = channels(4)
    return model({
      inputs: [value('x', ['N', 4, 6, 5])],
      outputs: [value('y', ['N', 4, 3, 3])],
      nodes: [
        node('Conv', ['x', 'w', ...(bias ? ['b'] : [])], ['c'], {
          group: attr.int(group),
          strides: attr.ints([2, 2]),
          pads: attr.ints([1, 1, 1, 1]),
        }),
        norm('c', 'n'),
        node('Relu', ['n'], ['r']),
        norm('r', 'y'),
      ],
      initializers: new Map([['w', weights([4, 4 / group, 3, 3], 5)], ['b', weights([4], 6)], ...Object.entries(own)]),
    })
  }

  it('gives the original outputs and the same gradients, folded or kept', async () => {
    for (const [group, bias] of [
      [1, false],
      [2, true],
      [4, true],
    ] as const) {
      const source = network(group, bias)
      const x = floats([2, 4, 6, 5], waves(3, 240))
      const original = await runOnce(engine, source, { x })
      const made = async (batchNorm: BatchNormMode) => {
        const { builder: g, value: at } = specialise(source, { shapes: { x: [2, 4, 6, 5] }, batchNorm })
        const targets = ['x', ...g.parameters().keys()]
        const gradients = differentiate(g, new Map([[at('y'), g.input('seed', g.typeOf(at('y')))]]), targets)
        for (const [name, gradient] of gradients) g.output(`gradient of ${name}`, gradient)
        g.output('out', at('y'))
        const results = await runOnce(engine, g.model(), { x, seed: floats([2, 4, 3, 3], waves(8, 72)) })
        return { results, norms: g.graph().nodes.filter((n) => n.opType === 'BatchNormalization').length }
      }
      const kept = await made({ kind: 'keep' })
      const folded = await made({ kind: 'fold' })
      assert.equal(kept.norms, 2)
      assert.equal(folded.norms, 1, 'the norm behind the activation stays')
      assertClose(kept.results.out?.data, original.y?.data as Float32Array, `kept, ${group} groups`)
      assertClose(folded.results.out?.data, original.y?.data as Float32Array, `folded, ${group} groups`, 1e-5, 1e-5)
      assert.deepEqual(Object.keys(folded.results).sort(), Object.keys(kept.results).sort())
      for (const [name, tensor] of Object.entries(kept.results))
        assertClose(folded.results[name]?.data, tensor.data, name, 1e-4, 1e-5)
    }
  })

  it('of a model exported in training mode takes the statistics of the batch, kept or folded', () => {
    const source = network(1, false)
    const training: Node = { ...(source.graph.nodes[1] as Node), attributes: new Map([['training_mode', attr.int(1)]]) }
    source.graph.nodes[1] = training
    for (const kind of ['keep', 'fold'] as const) {
      const { builder: g } = specialise(source, { shapes: { x: [2, 4, 6, 5] }, batchNorm: { kind } })
      assert.equal(g.nodes.filter((n) => n.opType === 'BatchNormalization').length, 1, 'only the other norm is left')
      assert.ok(g.nodes.some((n) => n.opType === 'ReduceMean'))
    }
  })

  it('with statistics for each position is refused where they are not', () => {
    const source = network(1, false)
    source.opsets.set('', 7)
    source.graph.nodes[3] = { ...(source.graph.nodes[3] as Node), attributes: new Map([['spatial', attr.int(0)]]) }
    assert.throws(() => specialise(source, { shapes: { x: [1, 4, 6, 5] } }), /BatchNormalization.*spatial/)
  })
})
