/** AdaBN and domain-specific batch norm, on pictures whose contrast and brightness changed. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { float32 } from '#graft/graph/tensor.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { joinDomains } from '#graft/techniques/domainAdaptation/domainSource.js'
import type { AdaptationMethod } from '#graft/techniques/domainAdaptation/method.js'
import { adaBn, statisticsOn } from '#graft/techniques/domainAdaptation/methods/adaBn.js'
import { domainBatchNorm } from '#graft/techniques/domainAdaptation/methods/domainBatchNorm.js'
import { mcc } from '#graft/techniques/domainAdaptation/methods/mcc.js'
import { logitsWith } from '#graft/techniques/fineTuning/evaluating.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { mean } from '../../losses/domain/plain.js'
import { model, node, weights as someWeights, value } from '../../onnx/build.js'
import { assertClose } from '../../support/compare.js'
import { SETTINGS } from '../fineTuning/toy.js'
import { assertResumes, training } from '../fineTuning/training.js'
import { accuracy } from './clouds.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const CHANNELS = 6

/** Conv 1 x 1 -> batch norm -> Relu -> mean -> Gemm, on 3 x 2 x 2. */
function network(): Network {
  const ones = new Array<number>(CHANNELS).fill(1)
  const zeros = new Array<number>(CHANNELS).fill(0)
  return {
    model: model({
      inputs: [value('x', ['N', 3, 2, 2])],
      outputs: [value('logits', ['N', 3])],
      nodes: [
        node('Conv', ['x', 'conv'], ['c']),
        node('BatchNormalization', ['c', 'gamma', 'beta', 'mean', 'variance'], ['n']),
        node('Relu', ['n'], ['r']),
        node('GlobalAveragePool', ['r'], ['p']),
        node('Flatten', ['p'], ['f']),
        node('Gemm', ['f', 'w', 'b'], ['logits'], { transB: { kind: 'int', value: 1 } }),
      ],
      initializers: new Map([
        ['conv', someWeights([CHANNELS, 3, 1, 1])],
        ['gamma', float32([CHANNELS], ones)],
        ['beta', float32([CHANNELS], zeros)],
        ['mean', float32([CHANNELS], zeros)],
        ['variance', float32([CHANNELS], ones)],
        ['w', someWeights([3, CHANNELS], 5)],
        ['b', float32([3], [0, 0, 0])],
      ]),
    }),
    inputs: [{ name: 'x', type: 'float32', sample: [3, 2, 2] }],
    logits: 'logits',
    layers: [
      ['conv', 'gamma', 'beta'],
      ['w', 'b'],
    ],
  }
}

/** Pictures of class c are brighter in channel c; each channel is then scaled and shifted. */
function pictures(
  n: number,
  key: string,
  scale: number,
  shift: readonly number[],
): SampleSource & { of(i: number): number[] } {
  const labels = Int32Array.from({ length: n }, (_, i) => i % 3)
  const of = (i: number) => {
    const own = new Random(8, key, i)
    return Array.from({ length: 12 }, (_, k) => {
      const channel = Math.floor(k / 4)
      return scale * ((channel === labels[i] ? 1.5 : 0) + 0.5 * own.normal()) + shift[channel]!
    })
  }
  return {
    length: n,
    of,
    targets: { kind: 'single-label', classes: ['a', 'b', 'c'], labels },
    async *batches({ order, start, size }) {
      for (let at = start; at < order.length; at += size) {
        const samples = order.slice(at, at + size)
        const data = Float32Array.from([...samples].flatMap(of))
        yield { samples, inputs: { x: floats([samples.length, 3, 2, 2], data) } }
      }
    },
  }
}

const source = pictures(96, 'source', 1, [0, 0, 0])
const target = pictures(90, 'target', 0.4, [2, -1, 1])
const joined = () =>
  joinDomains(
    [
      { name: 'from', source, labelled: true },
      { name: 'to', source: target, labelled: false },
    ],
    [16, 16],
  )
const settings = { batch: 32, epochs: 8, lr: 0.1, clip: 0 }
const signal = new AbortController().signal

async function reached(methods: readonly AdaptationMethod[], validation: SampleSource = source) {
  const { outcome } = await training({
    network: network(),
    train: joined(),
    validation,
    settings: { ...settings, methods },
  })
  const evaluating = { engine, network: network(), batch: 32, signal }
  const logits = await logitsWith(evaluating, outcome.weights, target)
  return {
    outcome,
    value: accuracy(logits, target.targets.kind === 'single-label' ? target.targets.labels : new Int32Array()),
  }
}

describe('AdaBN', () => {
  it('takes mean and variance over the whole target', async () => {
    const context = {
      signal,
      warn: () => undefined,
      decide: () => undefined,
      progress: () => ({ advance: () => undefined, set: () => undefined }),
    }
    // The third batch is not a whole one, and is left out.
    const parts = { engine, network: network(), settings: { ...SETTINGS, batch: 32 }, context }
    const found = await statisticsOn(parts, target, {}, 80)
    const conv = network().model.graph.initializers.get('conv')!.data as Float32Array
    const channel = (c: number, from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => target.of(from + i)).flatMap((x) =>
        [0, 1, 2, 3].map((place) => mean([0, 1, 2].map((k) => 3 * conv[c * 3 + k]! * x[k * 4 + place]!))),
      )
    const expected = Array.from({ length: CHANNELS }, (_, c) => {
      const [a, b, all] = [channel(c, 0, 32), channel(c, 32, 64), channel(c, 0, 64)]
      const unbiased = (v: readonly number[]) => v.reduce((s, x) => s + (x - mean(v)) ** 2, 0) / (v.length - 1)
      return { mean: mean(all), variance: (unbiased(a) + unbiased(b)) / 2 + (mean(a) - mean(b)) ** 2 / 4 }
    })
    assertClose(
      found.mean?.data as Float32Array,
      expected.map((own) => own.mean),
      'mean',
      1e-4,
      1e-5,
    )
    assertClose(
      found.variance?.data as Float32Array,
      expected.map((own) => own.variance),
      'variance',
      1e-4,
      1e-5,
    )
  })

  it('makes up for contrast and brightness, and keeps the trained weights', async () => {
    const none = await reached([])
    const own = await reached([adaBn()])
    assert.ok(none.value < 0.7 && own.value > 0.9, `${own.value} against ${none.value}`)
    assert.deepEqual(own.outcome.weights.conv?.data, none.outcome.weights.conv?.data)
    assert.ok(own.outcome.validationLogits !== undefined)
  })
})

describe('domain-specific batch norm', () => {
  it('keeps the target’s statistics and learns through both', async () => {
    // With the target's statistics a validation on the source would keep the wrong epoch.
    const validation = pictures(60, 'more of the target', 0.4, [2, -1, 1])
    const none = await reached([], validation)
    const own = await reached([domainBatchNorm(), mcc({ weight: 0.3 })], validation)
    assert.ok(own.value > 0.9 && own.value > none.value + 0.2, `${own.value} against ${none.value}`)
    const methods = [domainBatchNorm(), mcc()]
    await assertResumes(
      { network: network(), train: joined(), validation, settings: { ...settings, epochs: 2, methods } },
      [4],
    )
  })
})
