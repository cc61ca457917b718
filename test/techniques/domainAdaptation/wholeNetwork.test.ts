/** The same methods where a whole network trains: on photos with batch norm, on texts of different lengths. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { argmaxRows, type Matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { ADAPTATION_SETTINGS } from '#graft/techniques/domainAdaptation/adapt.js'
import { adaptNetwork } from '#graft/techniques/domainAdaptation/adaptNetwork.js'
import { dann } from '#graft/techniques/domainAdaptation/methods/dann.js'
import { deepCoral } from '#graft/techniques/domainAdaptation/methods/deepCoral.js'
import { mcd } from '#graft/techniques/domainAdaptation/methods/mcd.js'
import type { TuningMethod } from '#graft/techniques/fineTuning/method.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import type { RunContext } from '#graft/techniques/run/run.js'
import { tinyModel } from '../../support/tinyBackbone.js'
import { textNetwork, textSource, texts, textTargets } from '../fineTuning/toyText.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const QUIET: RunContext = {
  signal: new AbortController().signal,
  emit: () => undefined,
  phase: () => undefined,
  decide: () => undefined,
  warn: () => undefined,
  progress: () => ({ advance: () => undefined, set: () => undefined }),
}
const shareRight = (logits: Matrix, { targets }: SampleSource) => {
  const { labels } = targets as { labels: Int32Array }
  return argmaxRows(logits).filter((own, i) => own === labels[i]).length / labels.length
}

describe('photos', () => {
  const SIDE = 32
  const network: Network = {
    model: tinyModel(1, 3),
    inputs: [{ name: 'pixel_values', type: 'float32', sample: [3, SIDE, SIDE] }],
    logits: 'logits',
    layers: [
      ...[0, 1, 2].map((i) => [`conv${i}.weight`, `norm${i}.gamma`, `norm${i}.beta`]),
      ['head.weight', 'head.bias'],
    ],
  }
  /** Stripes of three directions in noise; of the other domain with less contrast, and brighter. */
  const photos = (n: number, seed: number, other: boolean): SampleSource => {
    const labels = Int32Array.from({ length: n }, (_, i) => i % 3)
    const pixels = (sample: number): number[] => {
      const random = new Random(seed, sample)
      const phase = random.uniform(0, 6)
      return Array.from({ length: 3 * SIDE * SIDE }, (_, i) => {
        const [y, x] = [Math.floor(i / SIDE) % SIDE, i % SIDE]
        const along = [x, y, x + y][labels[sample]!]!
        const value = Math.sin(along * 1.5 + phase) + 0.5 * random.normal()
        return other ? 0.35 * value + 1 : value
      })
    }
    const all = Array.from(labels, (_, sample) => pixels(sample))
    return {
      length: n,
      targets: { kind: 'single-label', classes: ['rows', 'columns', 'diagonals'], labels },
      async *batches({ order, start, size }) {
        for (let at = start; at < order.length; at += size) {
          const samples = order.slice(at, at + size)
          const data = Float32Array.from([...samples].flatMap((sample) => all[sample]!))
          yield { samples, inputs: { pixel_values: floats([samples.length, 3, SIDE, SIDE], data) } }
        }
      },
    }
  }
  const [here, there] = [photos(48, 1, false), photos(48, 2, true)]
  const adapt = (methods: readonly TuningMethod[], epochs: number) =>
    adaptNetwork({
      engine,
      network,
      features: 'features',
      sources: [{ name: 'here', source: here }],
      target: { name: 'there', source: there },
      methods,
      settings: { ...ADAPTATION_SETTINGS, epochs, batch: 24, lr: 0.05, batchNorm: 'train' },
      random: new Random(1),
      context: QUIET,
    })

  it('are learnt while the domains are brought together, batch norm moving once a step', async () => {
    const found = await adapt([deepCoral(), dann()], 6)
    assert.ok(shareRight(found.source.logits, here) > 0.8, 'the source is not learnt')
    assert.deepEqual([found.target.features.rows, found.target.features.columns], [48, 16])
    const start = network.model.graph.initializers
    for (const [name, { data }] of Object.entries(found.weights))
      assert.notDeepEqual([...data], [...(start.get(name)!.data as Float32Array)], name)
    assert.ok(Object.keys(found.weights).includes('norm2.var'))
  })

  it('give the same bits again where further updates are made on each batch', async () => {
    const [first, again] = [await adapt([mcd({ steps: 2 })], 1), await adapt([mcd({ steps: 2 })], 1)]
    assert.deepEqual(again.weights, first.weights)
    const plain = await adapt([], 1)
    assert.notDeepEqual(plain.weights['conv0.weight'], first.weights['conv0.weight'])
  })
})

describe('texts', () => {
  it('of different lengths are padded to one shape in each batch', async () => {
    const sourceOf = (seed: number, n: number) => {
      const all = texts(n, seed)
      return textSource(all, textTargets(all)['single-label'])
    }
    const [here, there] = [sourceOf(2, 40), sourceOf(5, 30)]
    const found = await adaptNetwork({
      engine,
      network: textNetwork(3, 'text'),
      sources: [{ name: 'here', source: here }],
      target: { name: 'there', source: there },
      methods: [deepCoral(), dann(), mcd({ distance: 'sliced' })],
      settings: { ...ADAPTATION_SETTINGS, epochs: 25, batch: 16, lr: 0.05 },
      random: new Random(1),
      context: QUIET,
    })
    assert.ok(shareRight(found.source.logits, here) > 0.75, 'the source is not learnt')
    assert.ok(shareRight(found.target.logits, there) > 0.6, 'the target, which is like it, is not either')
  })
})
