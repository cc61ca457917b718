/** Generalisation over domains: where a spurious feature misleads the mean loss, what methods make of it, and leaving domains out. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { GraftError } from '#graft/base/errors.js'
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { float32 } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, scalarTensor } from '#graft/runtime/types.js'
import { joinDomains } from '#graft/techniques/domainAdaptation/domainSource.js'
import type { AdaptationMethod } from '#graft/techniques/domainAdaptation/method.js'
import { coralAcross } from '#graft/techniques/domainGeneralisation/coralAcross.js'
import { generaliseFeatures } from '#graft/techniques/domainGeneralisation/generalise.js'
import { groupDro } from '#graft/techniques/domainGeneralisation/groupDro.js'
import { irm } from '#graft/techniques/domainGeneralisation/irm.js'
import {
  leaveOneDomainOut,
  leaveOneFeatureDomainOut,
} from '#graft/techniques/domainGeneralisation/leaveOneDomainOut.js'
import { mixedStyle, mixStyle, styleMixing } from '#graft/techniques/domainGeneralisation/mixStyle.js'
import { GENERALISATION_METHODS, generalisationMethod } from '#graft/techniques/domainGeneralisation/table.js'
import { vrex } from '#graft/techniques/domainGeneralisation/vrex.js'
import { dot, logSoftmax, mean, softmax, sum } from '../../losses/domain/plain.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { accuracy, type Cloud } from '../domainAdaptation/clouds.js'
import { convolutions, samples } from '../fineTuning/deepNetwork.js'
import { appendTerm, drawn, prepared, rowsOf } from '../fineTuning/methodLoss.js'
import { toySamples } from '../fineTuning/toy.js'
import { assertResumes, training } from '../fineTuning/training.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(6, 'generalisation')
const context = { signal: new AbortController().signal, warn: () => undefined }
const train = (sources: readonly Cloud[], methods: readonly AdaptationMethod[]) =>
  generaliseFeatures({
    engine,
    classes: ['0', '1'],
    sources: sources.map((own, i) => ({ ...own, name: `domain ${i}` })),
    methods,
    hidden: 0,
    rows: 100,
    settings: { epochs: 25, lr: 0.1, lrSchedule: 'constant', clip: 1 },
    random: new Random(1, 'generalise'),
    context,
  })

/** The first feature says the class in three of four cases; the second, the "colour", by `agreement`. */
function coloured(key: string, n: number, agreement: number): Cloud {
  const own = new Random(3, key)
  const features = matrix(n, 4)
  const labels = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const shape = own.integer(2)
    labels[i] = own.uniform() < 0.75 ? shape : 1 - shape
    const colour = own.uniform() < agreement ? labels[i]! : 1 - labels[i]!
    const x = [2 * shape - 1, 2 * colour - 1, 0, 0].map((v, d) => v + (d < 2 ? 0.1 : 0.3) * own.normal())
    features.data.set(x, 4 * i)
  }
  return { features, labels }
}

describe('a spurious feature', () => {
  it('is what the mean loss goes by; IRM and V-REx leave it', async () => {
    const sources = [coloured('a', 800, 0.9), coloured('b', 800, 0.8)]
    const test = coloured('test', 500, 0.1)
    const reached = async (methods: readonly AdaptationMethod[]) =>
      accuracy((await (await train(sources, methods)).outputs(test.features)).logits, test.labels)
    const none = await reached([])
    assert.ok(none < 0.2, `mean loss: ${none}`)
    for (const method of [irm(), vrex({ weight: 100 })]) {
      const found = await reached([method])
      assert.ok(found > 0.6, `${method.name}: ${found}`)
    }
  })
})

describe('Group DRO', () => {
  it('does better for the domain that goes worst', async () => {
    // Three domains divide at 0, one at 1.
    const threshold = (key: string, at: number): Cloud => {
      const own = new Random(4, key)
      const features = matrix(300, 4)
      const labels = new Int32Array(300)
      for (let i = 0; i < 300; i++) {
        const x = own.normal()
        features.data.set([x, own.normal(), own.normal(), own.normal()], 4 * i)
        labels[i] = x > at ? 1 : 0
      }
      return { features, labels }
    }
    const sources = [threshold('a', 0), threshold('b', 0), threshold('c', 0), threshold('d', 1)]
    const worst = async (methods: readonly AdaptationMethod[]) => {
      const found = await train(sources, methods)
      const risks: number[] = []
      for (const { features, labels } of sources) {
        const { logits } = await found.outputs(features)
        risks.push(mean(rows(logits).map((z, i) => -logSoftmax(z)[labels[i]!]!)))
      }
      return Math.max(...risks)
    }
    const [none, robust] = [await worst([]), await worst([groupDro({ eta: 0.1 })])]
    assert.ok(robust < 0.8 * none, `${robust} against ${none}`)
  })
})

describe('CORAL across sources', () => {
  it('is the distance of means and covariances by pair', async () => {
    const features = drawn(random, [6, 10])
    const [a, b] = [rowsOf(features).slice(0, 3), rowsOf(features).slice(3)] as const
    const centre = (part: number[][]) => part[0]!.map((_, d) => mean(part.map((f) => f[d]!)))
    const covariance = (part: number[][]) => {
      const m = centre(part)
      const off = part.map((f) => f.map((v, d) => v - m[d]!))
      return m.map((_, i) => m.map((__, j) => sum(off.map((f) => f[i]! * f[j]!)) / (part.length - 1)))
    }
    const [ca, cb, ma, mb] = [covariance(a), covariance(b), centre(a), centre(b)]
    const expected =
      (sum(ca.flatMap((row, i) => row.map((v, j) => (v - cb[i]![j]!) ** 2))) +
        sum(ma.map((v, d) => (v - mb[d]!) ** 2))) /
      10
    const ready = await prepared(coralAcross({ weight: 2 }), { engine, train: joined() })
    const g = new GraphBuilder('coral')
    const feeds = {
      logits: drawn(random, [6, 3]),
      targets: drawn(random, [6, 3]),
      weights: drawn(random, [6]),
      'value.a1': features,
      share: scalarTensor(0.5),
    }
    for (const [name, { type, dims }] of Object.entries(feeds)) g.input(name, { type, shape: dims })
    g.output('add', g.op('Identity', [appendTerm(g, ready, [], BLOCKS).add]))
    assertClose((await runOnce(engine, g.model(), feeds)).add?.data as Float32Array, [2 * 0.5 * expected], 'term', 1e-4)
  })
})

const BLOCKS = [
  { name: 'a', start: 0, rows: 3, labelled: true },
  { name: 'b', start: 3, rows: 3, labelled: true },
]
const joined = () =>
  joinDomains(
    [
      { name: 'a', source: toySamples(20), labelled: true },
      { name: 'b', source: toySamples(14, 6), labelled: true },
    ],
    [4, 4],
  )
const rows = (m: Matrix) =>
  Array.from({ length: m.rows }, (_, i) => Array.from(m.data.subarray(i * m.columns, (i + 1) * m.columns)))

describe('penalties on the risks', () => {
  it('begin at 1, rise to lambda, and divide the whole loss by it', async () => {
    const logits = drawn(random, [6, 3], 2)
    const targets = floats([6, 3], Float32Array.from(rowsOf(drawn(random, [6, 3])).flatMap(softmax)))
    const weights = floats([6], Float32Array.of(0.1, 0.2, 0.1, 0.3, 0.2, 0.1))
    const [z, t, w] = [rowsOf(logits), rowsOf(targets), Array.from(weights.data as Float32Array)]
    const blocks = [
      [0, 1, 2],
      [3, 4, 5],
    ].map((own) => ({ own, all: sum(own.map((i) => w[i]!)) }))
    const risks = blocks.map(({ own, all }) => sum(own.map((i) => (-w[i]! / all) * dot(t[i]!, logSoftmax(z[i]!)))))
    const variance = mean(risks.map((r) => (r - mean(risks)) ** 2))
    const slopes = blocks.map(({ own, all }) =>
      sum(
        own.map(
          (i) =>
            (w[i]! / all) *
            dot(
              softmax(z[i]!).map((p, c) => p - t[i]![c]!),
              z[i]!,
            ),
        ),
      ),
    )
    const found = async (method: AdaptationMethod, progress: number) => {
      const ready = await prepared(method, { engine, train: joined() })
      const feeds = { logits, targets, weights, share: scalarTensor(1), progress: scalarTensor(progress) }
      const g = new GraphBuilder('penalty')
      for (const [name, { type, dims }] of Object.entries(feeds)) g.input(name, { type, shape: dims })
      const { add, own } = appendTerm(g, ready, [], BLOCKS)
      g.output('add', g.op('Identity', [add]))
      g.output('own', g.op('Identity', [own as string]))
      const result = await runOnce(engine, g.model(), feeds)
      return [Number(result.add?.data[0]), Number(result.own?.data[0])]
    }
    const squares = mean(slopes.map((s) => s * s))
    assertClose(await found(irm({ weight: 40, after: 0.5 }), 0.4), [squares, 1], 'IRM at first', 1e-4)
    assertClose(await found(irm({ weight: 40, after: 0.5 }), 0.6), [squares, 1 / 40], 'IRM later', 1e-4)
    assertClose(await found(vrex({ weight: 40, after: 0.5 }), 0.4), [variance, 1], 'V-REx at first', 1e-3)
    assertClose(await found(vrex({ weight: 0.5, after: 0 }), 0), [0.5 * variance, 1], 'V-REx below 1', 1e-3)
  })

  it('are refused for one domain', async () => {
    for (const name of ['irm', 'vrex', 'group-dro', 'coral-across'] as const)
      await assert.rejects(prepared(GENERALISATION_METHODS[name].factory(), { engine }), /of one domain/)
    assert.throws(
      () => generalisationMethod('vrexx'),
      (error: GraftError) => /Did you mean vrex/.test(error.remedy ?? ''),
    )
    assert.equal(generalisationMethod('irm').name, 'irm')
  })
})

describe('MixStyle', () => {
  it('gives each sample the mixed mean and deviation of its channels', async () => {
    const x = drawn(random, [2, 3, 2, 2])
    const mixing = [
      [0.7, 0.3],
      [0, 1],
    ]
    const g = new GraphBuilder('style')
    g.input('x', { type: 'float32', shape: [2, 3, 2, 2] })
    g.output('y', mixedStyle(g, 'x', g.constant(float32([2, 2], mixing.flat()))))
    const values = Array.from(x.data as Float32Array)
    const channel = (n: number, c: number) => values.slice((n * 3 + c) * 4, (n * 3 + c) * 4 + 4)
    const deviation = (v: readonly number[]) => Math.sqrt(mean(v.map((one) => (one - mean(v)) ** 2)) + 1e-6)
    const expected = [0, 1].flatMap((n) =>
      [0, 1, 2].flatMap((c) => {
        const own = channel(n, c)
        const mixed = (of: (v: readonly number[]) => number) =>
          sum([0, 1].map((m) => mixing[n]![m]! * of(channel(m, c))))
        return own.map((v) => ((v - mean(own)) / deviation(own)) * mixed(deviation) + mixed(mean))
      }),
    )
    assertClose((await runOnce(engine, g.model(), { x })).y?.data as Float32Array, expected, 'mixed', 1e-4, 1e-5)
  })

  it('takes the style of another labelled domain, and leaves what has no labels', () => {
    const blocks = [...BLOCKS, { name: 'target', start: 6, rows: 2, labelled: false }]
    const mixing = rows(matrix(8, 8, styleMixing(8, blocks, 1, 0.5, random)))
    mixing.forEach((row, i) => {
      assertClose([sum(row)], [1], `row ${i}`)
      row.forEach((share, j) => {
        const domain = (at: number) => (at < 3 ? 0 : at < 6 ? 1 : 2)
        if (share > 0 && i !== j)
          assert.ok(domain(i) !== domain(j) && domain(j) < 2 && domain(i) < 2, `${i} takes of ${j}`)
      })
    })
    assert.ok(mixing.slice(0, 6).some((row, i) => row[i]! < 0.9))
    const still = styleMixing(4, [], 1e-9, 0.5, random)
    assert.deepEqual(Array.from(still), [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
  })

  it('changes training and nothing else, and resumes', async () => {
    const network = convolutions(2, 4, 8)
    const own = { network, train: samples(network, 16), validation: samples(network, 8) }
    const mixed = await assertResumes({ ...own, settings: { methods: [mixStyle({ probability: 1 })], epochs: 2 } }, [3])
    const { outcome } = await training({ ...own, settings: { epochs: 2 } })
    assert.notDeepEqual(mixed.weights.head?.data, outcome.weights.head?.data)
    // At a rate of next to nothing the logits are those of the untouched network.
    const still = await training({
      ...own,
      settings: { methods: [mixStyle({ probability: 1 })], epochs: 1, lr: 1e-12 },
    })
    const plain = await training({ ...own, settings: { epochs: 1, lr: 1e-12 } })
    assertClose(still.outcome.validationLogits!.data, plain.outcome.validationLogits!.data, 'logits', 1e-4, 1e-5)
  })

  it('refuses a head on features', async () => {
    await assert.rejects(prepared(mixStyle(), { engine }), /statistics of feature maps; this network has none/)
  })
})

describe('leaving domains out', () => {
  const named = (name: string, agreement: number) => ({ name, ...coloured(name, 200, agreement) })

  it('trains on the others and scores the one that is left', async () => {
    const domains = ['a', 'b', 'c'].map((name) => ({
      name,
      features: matrix(4, 1),
      labels: Int32Array.of(0, 1, 0, -1),
    }))
    const seen: string[] = []
    const found = await leaveOneDomainOut(domains, async (sources, other) => {
      seen.push(`${sources.map(({ name }) => name).join()} for ${other.name}`)
      // Right for the first, and for the second where it is b.
      return matrix(4, 2, Float32Array.of(1, 0, 0, other.name === 'b' ? 1 : -1, 0, 1, 0, 1))
    })
    assert.deepEqual(seen, ['b,c for a', 'a,c for b', 'a,b for c'])
    assert.deepEqual(
      found.domains.map(({ n }) => n),
      [3, 3, 3],
    )
    assertClose(
      found.domains.map(({ accuracy: { value } }) => value),
      [1 / 3, 2 / 3, 1 / 3],
      'accuracies',
    )
    assertClose([found.mean], [4 / 9], 'mean')
    assert.equal(found.worst.domain, 'a')
    assert.ok(found.worst.accuracy.low < 1 / 3 && found.worst.accuracy.high > 1 / 3)
    await assert.rejects(
      leaveOneDomainOut(domains.slice(0, 1), async () => matrix(4, 2)),
      /two domains or more; found 1/,
    )
  })

  it('shows what a spurious feature costs', async () => {
    const found = await leaveOneFeatureDomainOut({
      engine,
      classes: ['0', '1'],
      sources: [named('a', 0.9), named('b', 0.9), named('c', 0.1)],
      hidden: 0,
      settings: { epochs: 10, lr: 0.1 },
      random: new Random(2),
      context,
    })
    assert.equal(found.worst.domain, 'c')
    assert.ok(found.worst.accuracy.value < 0.25 && found.mean > found.worst.accuracy.value)
  })
})

describe('resuming generalisation', () => {
  it('ends in the same bits where domains keep their weights', async () => {
    await assertResumes({ train: joined(), settings: { methods: [groupDro({ eta: 1 })], epochs: 2 } }, [4])
  })
})
