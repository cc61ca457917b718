/** Methods that look inside the network: at its features, its feature maps, its batch norm. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { symmetricEigen } from '#graft/base/eigen.js'
import { Random } from '#graft/base/random.js'
import { float32 } from '#graft/graph/tensor.js'
import { smallestSquares } from '#graft/losses/singularValues.js'
import { withBatchStatistics } from '#graft/passes/batchNorm.js'
import { specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { biTuning } from '#graft/techniques/fineTuning/methods/biTuning.js'
import { coTuning } from '#graft/techniques/fineTuning/methods/coTuning.js'
import { delta } from '#graft/techniques/fineTuning/methods/delta.js'
import { featuresOf, mapsOf } from '#graft/techniques/fineTuning/methods/inside.js'
import { spectralShrinkage } from '#graft/techniques/fineTuning/methods/spectralShrinkage.js'
import { stochasticNorm } from '#graft/techniques/fineTuning/methods/stochasticNorm.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { inferenceWith } from '#graft/techniques/fineTuning/programs.js'
import { completeState, openStepper } from '#graft/techniques/fineTuning/steps.js'
import { lossAndGradient } from '../../losses/support.js'
import { model, node, weights as someWeights, value } from '../../onnx/build.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { checkGradients } from '../../support/gradients.js'
import { convolutions, samples as pictures } from './deepNetwork.js'
import { appendTerm, drawn, prepared, rowsOf, share, termOf } from './methodLoss.js'
import { SETTINGS, toyNetwork, toySamples } from './toy.js'
import { textNetwork, textSource, texts, textTargets } from './toyText.js'
import { assertResumes, training } from './training.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(2, 'methods inside')
const values = (tensor: HostTensor | undefined) => Array.from(tensor?.data as Float32Array)
const logSoftmax = (z: readonly number[]) => {
  const top = Math.max(...z)
  const log = top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0))
  return z.map((v) => v - log)
}
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
const oneHot = (classes: number, labels: readonly number[]) =>
  floats(
    [labels.length, classes],
    Float32Array.from(labels.flatMap((l) => Array.from({ length: classes }, (_, c) => (c === l ? 1 : 0)))),
  )

describe('features and maps', () => {
  it('are found by structure, and refused where there is no row a sample', () => {
    assert.deepEqual(featuresOf(toyNetwork(), 'X'), { value: 'a1', width: 10 })
    assert.throws(() => featuresOf(textNetwork(3, 'token'), 'X'), /X needs the features of each sample.*\(N, 12, 8\)/)
    const network = convolutions(3, 4, 8)
    const maps = mapsOf(network, 3)
    assert.ok(maps.length > 1 && maps.every(({ shape }) => shape[0] === 1), JSON.stringify(maps))
    assert.deepEqual(
      mapsOf({ ...network, maps: ['stem.relu'] }, 3).map((map) => map.value),
      ['stem.relu'],
    )
  })
})

describe('batch spectral shrinkage', () => {
  const eigenvalues = (rows: readonly (readonly number[])[]) => {
    const gram = Float64Array.from(rows.flatMap((a) => rows.map((b) => dot(a, b))))
    return [...symmetricEigen(gram, rows.length).values]
  }
  const columnsOf = (rows: readonly (readonly number[])[]) => rows[0]!.map((_, d) => rows.map((own) => own[d]!))
  const compute = (features: HostTensor, rows: HostTensor, k: number) =>
    lossAndGradient(engine, (g) => smallestSquares(g, 'logits', 'rows', k), { logits: features, rows })

  it('is the sum of the smallest squared singular values', async () => {
    for (const [n, d] of [
      [6, 20],
      [8, 8],
      [12, 5],
      [1, 7],
    ] as const)
      for (const k of n === 1 ? [1] : [1, 3]) {
        const features = drawn(random, [n, d])
        const all = floats([n], new Float32Array(n).fill(1))
        const rows = n <= d ? rowsOf(features) : columnsOf(rowsOf(features))
        const expected = eigenvalues(rows)
          .slice(0, k)
          .reduce((a, b) => a + b, 0)
        const found = await compute(features, all, k)
        assertClose([found.loss], [expected], `${n} x ${d}, k ${k}`, 1e-3, 1e-5)
      }
  })

  it('leaves out what fills up the batch, and has no trouble with zeros', async () => {
    const features = drawn(random, [6, 20])
    const rows = floats([6], Float32Array.of(1, 1, 0, 1, 0, 1))
    const kept = rowsOf(features).filter((_, i) => values(rows)[i] === 1)
    const found = await compute(features, rows, 2)
    const [first, second] = eigenvalues(kept) as [number, number]
    assertClose([found.loss], [first + second], 'two smallest', 1e-3)
    for (const i of [2, 4]) assert.ok(found.gradient.subarray(20 * i, 20 * i + 20).every((v) => v === 0))
    const none = await compute(floats([4, 6], new Float32Array(24)), floats([4], new Float32Array(4).fill(1)), 1)
    assert.equal(none.loss, 0)
    assert.ok(none.gradient.every((v) => v === 0))
  })

  it('is right for the spectra that networks have', async () => {
    // One direction with nearly everything, as after a ReLU: singular values from 30 down to 0.3.
    const basis = rowsOf(drawn(random, [8, 40]))
    const features = floats(
      [8, 40],
      Float32Array.from(basis.flatMap((own, i) => own.map((v) => 5 + (0.3 + 0.2 * i) * v))),
    )
    const found = await compute(features, floats([8], new Float32Array(8).fill(1)), 1)
    assertClose([found.loss], [eigenvalues(rowsOf(features))[0]!], 'smallest', 1e-2)
  })

  it('has gradients that equal central differences', async () => {
    for (const [n, d, k] of [
      [5, 9, 1],
      [5, 9, 2],
      [9, 4, 1],
    ] as const)
      await checkGradients(engine, {
        label: `bss ${n} x ${d}, k ${k}`,
        vary: { features: drawn(random, [n, d]) },
        feeds: { rows: floats([n], new Float32Array(n).fill(1)) },
        build: (g) => [smallestSquares(g, 'features', 'rows', k)],
      })
  })

  it('shrinks them in training, and resumes', async () => {
    const smallest = async (network: Network) => {
      const program = inferenceWith({ ...network, logits: 'a1' }, 8, { x: [6] }, [])
      const [batch] = await first(toySamples(8), 8)
      const found = await runOnce(engine, program.model, batch!.inputs)
      const rows = rowsOf(found.logits!)
      return eigenvalues(rows)[0]! / eigenvalues(rows).at(-1)!
    }
    const after = async (methods: readonly ReturnType<typeof spectralShrinkage>[]) => {
      const outcome = await assertResumes({ settings: { methods, epochs: 3 } }, [4])
      const network = toyNetwork()
      const { initializers } = network.model.graph
      for (const [name, { dims, data }] of Object.entries(outcome.weights))
        initializers.set(name, float32(dims, data as Float32Array))
      return smallest(network)
    }
    assert.ok((await after([spectralShrinkage({ eta: 1, k: 2 })])) < 0.5 * (await after([])))
  })

  it('refuses more values than there are', async () => {
    await assert.rejects(prepared(spectralShrinkage({ k: 9 }), { engine }), /have 8 singular values/)
  })
})

async function first(source: SampleSource, size: number) {
  const order = Int32Array.from({ length: size }, (_, i) => i)
  const request = { order, start: 0, size, epoch: undefined, signal: new AbortController().signal }
  const found = []
  for await (const batch of source.batches(request)) found.push(batch)
  return found
}

describe('Bi-Tuning', () => {
  const tau = 0.5
  const labels = [0, 1, 0, 2, 1, 0]
  const feeds = () => ({
    logits: drawn(random, [6, 3]),
    targets: oneHot(3, labels),
    // The last is not known, and the class 2 has one sample.
    weights: floats([6], Float32Array.of(0.2, 0.2, 0.2, 0.2, 0.2, 0)),
    'value.a1': drawn(random, [6, 10]),
    'own.projector': drawn(random, [10, 4]),
  })
  const method = () => biTuning({ weight: 2, temperature: tau, width: 4 })

  it('is the two contrasts, worked out pair by pair', async () => {
    const at = feeds()
    const { add } = await termOf(engine, await prepared(method(), { engine }), at)
    const known = [0, 1, 2, 3, 4]
    const z = rowsOf(at.logits)
    const projected = rowsOf(at['value.a1']).map((own) => {
      const p = rowsOf(at['own.projector'])[0]!.map((_, j) =>
        dot(
          own,
          rowsOf(at['own.projector']).map((r) => r[j]!),
        ),
      )
      return p.map((v) => v / Math.hypot(...p))
    })
    let expected = 0
    for (const n of known) {
      const alike = known.filter((m) => labels[m] === labels[n])
      const scores = logSoftmax(known.map((m) => z[m]![labels[n]!]! / tau))
      expected -= 0.2 * (alike.reduce((sum, m) => sum + scores[known.indexOf(m)]!, 0) / alike.length)
      const others = known.filter((m) => m !== n)
      const positives = alike.filter((m) => m !== n)
      if (positives.length === 0) continue
      const cosines = logSoftmax(others.map((m) => dot(projected[n]!, projected[m]!) / tau))
      expected -= 0.2 * (positives.reduce((sum, m) => sum + cosines[others.indexOf(m)]!, 0) / positives.length)
    }
    assertClose([add], [2 * expected], 'term', 1e-4)
  })

  it('has gradients that equal central differences', async () => {
    const ready = await prepared(method(), { engine })
    const { targets, weights, ...vary } = feeds()
    const moved = await checkGradients(engine, {
      label: 'bi-tuning',
      vary,
      feeds: { targets, weights },
      build: (g) => [appendTerm(g, ready, []).add],
    })
    assert.equal(moved.size, 3)
  })

  it('gathers the classes in training, keeps no projection, and resumes', async () => {
    const outcome = await assertResumes({ settings: { methods: [biTuning()] } }, [3, 15])
    assert.deepEqual(Object.keys(outcome.weights).sort(), toyNetwork().layers.flat().sort())
    const last = outcome.history.at(-1)!
    assert.ok(last.validationAccuracy! > 0.6, `${last.validationAccuracy}`)
    const { outcome: plain } = await training()
    assert.notDeepEqual(values(outcome.weights.w0), values(plain.weights.w0))
  })

  it('refuses targets without classes, and networks without a row a sample', async () => {
    const all = texts(8)
    const of = (kind: 'number' | 'token-labels') => textSource(all, textTargets(all)[kind])
    await assert.rejects(prepared(method(), { engine, train: of('number') }), /these targets are number/)
  })
})

describe('Co-Tuning', () => {
  const withSource = (seed = 4): Network => ({
    ...toyNetwork(),
    sourceHead: { weight: drawn(new Random(seed), [5, 10]), bias: drawn(new Random(seed + 1), [5]) },
  })
  const method = () => coTuning({ weight: 3, temperature: 2 })

  it('relates classes by what the source head says of their samples', async () => {
    const network = withSource()
    const ready = await prepared(method(), { engine, network })
    const { relation } = ready.fixed!
    assert.deepEqual(relation?.dims, [3, 5])
    // By hand: features of each sample through the network, then the source head.
    const source = toySamples(24)
    const sums = Array.from({ length: 3 }, () => new Array<number>(5).fill(0))
    const [batch] = await first(source, 24)
    const program = inferenceWith({ ...network, logits: 'a1' }, 24, { x: [6] }, [])
    const found = rowsOf((await runOnce(engine, program.model, batch!.inputs)).logits!)
    found.forEach((own, i) => {
      const z = rowsOf(network.sourceHead!.weight).map(
        (w, s) => (dot(w, own) + values(network.sourceHead!.bias)[s]!) / 2,
      )
      logSoftmax(z).forEach((log, s) => {
        sums[i % 3]![s]! += Math.exp(log) / 8
      })
    })
    assertClose(relation?.data, sums.flat(), 'relation', 1e-4)
  })

  it('is the cross-entropy of the source head with them, and its gradient is right', async () => {
    const ready = await prepared(method(), { engine, network: withSource() })
    const at = {
      'value.a1': drawn(random, [4, 10]),
      'own.weight': drawn(random, [5, 10]),
      'own.bias': drawn(random, [5]),
      targets: oneHot(3, [0, 2, 1, 1]),
      weights: floats([4], Float32Array.of(0.5, 0.25, 0, 0.25)),
      'fixed.relation': ready.fixed!.relation!,
    }
    const { add, own } = await termOf(engine, ready, at)
    const relation = rowsOf(at['fixed.relation'])
    const expected = rowsOf(at['value.a1']).reduce((sum, row, n) => {
      const logs = logSoftmax(rowsOf(at['own.weight']).map((w, s) => dot(w, row) + values(at['own.bias'])[s]!))
      return sum - values(at.weights)[n]! * dot(relation[[0, 2, 1, 1][n]!]!, logs)
    }, 0)
    assertClose([add], [3 * expected], 'term', 1e-4)
    assert.equal(own, 1)
    const { targets, weights, 'fixed.relation': fixed, ...vary } = at
    const moved = await checkGradients(engine, {
      label: 'co-tuning',
      vary,
      feeds: { targets, weights, 'fixed.relation': fixed },
      build: (g) => [appendTerm(g, ready, []).add],
    })
    assert.equal(moved.size, 3)
  })

  it('trains and resumes, with averages of the weights', async () => {
    const settings = { methods: [coTuning()], ema: 0.9, layerDecay: 0.5 }
    const outcome = await assertResumes({ network: withSource(), settings }, [3, 15])
    assert.deepEqual(Object.keys(outcome.weights).sort(), toyNetwork().layers.flat().sort())
  })

  it('says what is missing', async () => {
    await assert.rejects(prepared(coTuning(), { engine }), /came without one/)
    const other = { ...toyNetwork(), sourceHead: { weight: drawn(random, [5, 7]), bias: drawn(random, [5]) } }
    await assert.rejects(prepared(coTuning(), { engine, network: other }), /on 7 features; .* has 10/)
  })
})

describe('DELTA', () => {
  const network = () => ({ ...convolutions(2, 4, 8), maps: ['stem.relu', 'b0.relu', 'b1.relu'] })
  const settings = { schedule: 'lp-ft' as const, batch: 4 }
  const problem = () => ({ engine, network: network(), train: pictures(network(), 16), settings })
  const method = () => delta({ alpha: 0.7, beta: 0.3, maps: 2, samples: 8 })

  it('weighs channels by how much the loss rises without them', async () => {
    const ready = await prepared(method(), problem())
    assert.deepEqual(ready.values, ['b0.relu', 'b1.relu'])
    const attention = values(ready.fixed!['b1.relu'])
    assertClose([attention.reduce((a, b) => a + b, 0)], [1], 'sum')
    // The network is linear behind its last map, so the loss by the map is known: the rise to first order is
    // -<dL/dM_c, M_c> = -(dL/dz W^T)_c mean_c, with dL/dz = softmax - target.
    const own = network()
    const order = new Random(1, 'method').fork('samples').permutation(16).slice(0, 8)
    const maps = inferenceWith({ ...own, logits: 'flat' }, 8, { x: [3, 8, 8] }, [])
    const logits = inferenceWith(own, 8, { x: [3, 8, 8] }, [])
    const request = { order, start: 0, size: 8, epoch: undefined, signal: new AbortController().signal }
    const rises = new Array<number>(4).fill(0)
    for await (const batch of pictures(own, 16).batches(request)) {
      const flat = rowsOf((await runOnce(engine, maps.model, batch.inputs)).logits!)
      const z = rowsOf((await runOnce(engine, logits.model, batch.inputs)).logits!)
      const head = rowsOf(floats([4, 3], own.model.graph.initializers.get('head')!.data as Float32Array))
      flat.forEach((m, n) => {
        const off = logSoftmax(z[n]!).map((log, c) => Math.exp(log) - (c === batch.samples[n]! % 3 ? 1 : 0))
        for (let c = 0; c < 4; c++) rises[c]! -= (dot(head[c]!, off) * m[c]!) / 8
      })
    }
    assertClose(attention, logSoftmax(rises).map(Math.exp), 'attention', 1e-4)
  })

  it('is the weighted distance of the maps, and its gradient is right', async () => {
    const ready = await prepared(method(), problem())
    const at = {
      'value.b0.relu': drawn(random, [4, 3, 2, 2]),
      'value.b1.relu': drawn(random, [4, 5, 6]),
      head: drawn(random, [3, 2]),
      'taught.b0.relu': drawn(random, [4, 3, 2, 2]),
      'taught.b1.relu': drawn(random, [4, 5, 6]),
      'fixed.b0.relu': floats([3], Float32Array.of(0.2, 0.5, 0.3)),
      'fixed.b1.relu': floats([6], Float32Array.of(0.1, 0.2, 0.3, 0.1, 0.1, 0.2)),
      rows: floats([4], Float32Array.of(1, 1, 1, 0)),
      share: share(0.75),
    }
    const { add } = await termOf(engine, ready, at, ['head'])
    let expected = 0.75 * 0.15 * values(at.head).reduce((sum, v) => sum + v * v, 0)
    const off = (map: 'b0.relu' | 'b1.relu') =>
      values(at[`value.${map}`]).map((v, i) => (v - values(at[`taught.${map}`])[i]!) ** 2)
    // 3 of 4 rows count; each weighs 0.75 / 3.
    off('b0.relu').forEach((square, i) => {
      const [n, c] = [Math.floor(i / 12), Math.floor((i % 12) / 4)]
      if (n < 3) expected += 0.7 * 0.25 * 0.5 * (3 / 4) * [0.2, 0.5, 0.3][c]! * square
    })
    off('b1.relu').forEach((square, i) => {
      const n = Math.floor(i / 30)
      if (n < 3) expected += 0.7 * 0.25 * 0.5 * (6 / 5) * [0.1, 0.2, 0.3, 0.1, 0.1, 0.2][i % 6]! * square
    })
    assertClose([add], [expected], 'term', 1e-4)
    const names = ['value.b0.relu', 'value.b1.relu', 'head'] as const
    const vary = Object.fromEntries(names.map((name) => [name, at[name]]))
    const feeds = Object.fromEntries(Object.entries(at).filter(([name]) => !(name in vary)))
    await checkGradients(engine, { label: 'delta', vary, feeds, build: (g) => [appendTerm(g, ready, ['head']).add] })
  })

  it('holds the maps near what they were', async () => {
    const own = network()
    const source = pictures(own, 4)
    const [batch] = await first(source, 4)
    const mapsWith = async (state: readonly string[]) => {
      const bound = state.map((name) => ({ name, input: name }))
      const program = await engine.load(inferenceWith({ ...own, logits: 'b1.relu' }, 4, { x: [3, 8, 8] }, bound))
      const { logits } = await program.run(batch!.inputs)
      await program.release()
      return values(logits)
    }
    const before = await mapsWith([])
    const distance = async (methods: readonly ReturnType<typeof delta>[]) => {
      const changed = { ...SETTINGS, ...settings, clip: 0, methods }
      const ready = await Promise.all(methods.map((one) => prepared(one, { ...problem(), settings: changed })))
      const targets = source.targets
      const stepper = await openStepper({ engine, network: own, first: 0, targets, settings: changed, methods: ready })
      await completeState(engine, stepper.program, new Set())
      for (let i = 0; i < 40; i++) await stepper.step([batch!], 0.1, new Random(i))
      const names = stepper.program.parameters.map(({ name }) => name).filter((name) => name !== 'head')
      await stepper.release()
      return Math.hypot(...(await mapsWith(names)).map((v, i) => v - before[i]!))
    }
    const [held, free] = [await distance([delta({ alpha: 20, maps: 2, samples: 8 })]), await distance([])]
    assert.ok(held < 0.5 * free, `${held} against ${free}`)
  })

  it('resumes to the same weights', async () => {
    const task = { network: network(), train: pictures(network(), 24), validation: pictures(network(), 12) }
    await assertResumes({ ...task, settings: { ...settings, methods: [method()], epochs: 2 } }, [4])
  })

  it('warns where the head is random, and works on tokens', async () => {
    const warnings: string[] = []
    const all = texts(16)
    const train = textSource(all, textTargets(all)['single-label'])
    const text = { ...textNetwork(3, 'text'), maps: ['embedded'] }
    const ready = await prepared(delta(), { engine, network: text, train, warnings })
    assert.match(warnings.join(), /head that training starts from, which is random/)
    assert.deepEqual(ready.fixed!.embedded?.dims, [8])
  })
})

describe('stochastic norm', () => {
  /** Conv -> BatchNormalization -> Relu -> pool -> Gemm, on 3 x 4 x 4. */
  const normed = (): Network => {
    const initializers = new Map([
      ['conv', someWeights([4, 3, 3, 3])],
      ['gamma', float32([4], [1.5, 0.5, 1, -1])],
      ['beta', float32([4], [0.1, -0.2, 0.3, 0.4])],
      ['mean', float32([4], [0.2, -0.1, 0.05, 0])],
      ['variance', float32([4], [0.5, 1.5, 1, 2])],
      ['w', someWeights([3, 4], 5)],
      ['b', float32([3], [0, 0, 0])],
    ])
    const nodes = [
      node('Conv', ['x', 'conv'], ['c']),
      node('BatchNormalization', ['c', 'gamma', 'beta', 'mean', 'variance'], ['n']),
      node('Relu', ['n'], ['r']),
      node('GlobalAveragePool', ['r'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Gemm', ['f', 'w', 'b'], ['logits'], { transB: { kind: 'int', value: 1 } }),
    ]
    return {
      model: model({
        inputs: [value('x', ['N', 3, 4, 4])],
        outputs: [value('logits', ['N', 3])],
        nodes,
        initializers,
      }),
      inputs: [{ name: 'x', type: 'float32', sample: [3, 4, 4] }],
      logits: 'logits',
      layers: [
        ['conv', 'gamma', 'beta'],
        ['w', 'b'],
      ],
    }
  }

  it('takes the statistics of the batch in some channels and the moving ones in the others', async () => {
    const forward = specialise(normed().model, {
      shapes: { x: [2, 3, 4, 4] },
      outputs: ['c', 'n'],
      batchNorm: { kind: 'stochastic', momentum: 0.1 },
    })
    const g = forward.builder
    const [mask] = forward.masks!
    assert.deepEqual(mask?.channels, 4)
    g.output('before', forward.value('c'))
    g.output('after', forward.value('n'))
    const x = drawn(random, [2, 3, 4, 4])
    const chosen = [1, 0, 1, 0]
    const found = await runOnce(engine, g.model(), { x, [mask!.input]: floats([4], Float32Array.from(chosen)) })
    const c = found.before!.data as Float32Array
    const entry = (n: number, k: number) => Array.from(c.subarray((n * 4 + k) * 4, (n * 4 + k) * 4 + 4))
    const expected = [0, 1].flatMap((n) =>
      chosen.flatMap((takes, k) => {
        const all = [...entry(0, k), ...entry(1, k)]
        const m = all.reduce((a, b) => a + b, 0) / 8
        const v = all.reduce((sum, y) => sum + (y - m) ** 2, 0) / 8
        const [mean, variance] = takes ? [m, v] : [[0.2, -0.1, 0.05, 0][k]!, [0.5, 1.5, 1, 2][k]!]
        return entry(n, k).map(
          (y) => ((y - mean) / Math.sqrt(variance + 1e-5)) * [1.5, 0.5, 1, -1][k]! + [0.1, -0.2, 0.3, 0.4][k]!,
        )
      }),
    )
    assertClose(found.after?.data, expected, 'normalised', 1e-4, 1e-5)
  })

  it('has gradients that equal central differences', async () => {
    const norm = node('BatchNormalization', ['x', 'gamma', 'beta', 'mean', 'variance'], ['n'])
    const moved = await checkGradients(engine, {
      label: 'stochastic norm',
      vary: {
        x: drawn(random, [3, 4, 3]),
        gamma: floats([4], Float32Array.of(1.5, 0.5, 1, -1)),
        beta: drawn(random, [4]),
      },
      feeds: {
        mean: drawn(random, [4]),
        variance: floats([4], Float32Array.of(0.5, 1.5, 1, 2)),
        mask: floats([4], Float32Array.of(1, 0, 1, 0)),
      },
      build: (g) => {
        withBatchStatistics(g, norm, norm.inputs, 0.1, 'mask')
        return ['n']
      },
    })
    assert.equal(moved.size, 3)
  })

  it('trains, moves the statistics, resumes to the same bits, and saves the moving ones', async () => {
    const own = normed()
    const source = (n: number) => pictures(own, n)
    const options = { network: own, train: source(24), validation: source(12) }
    const outcome = await assertResumes({ ...options, settings: { methods: [stochasticNorm()], epochs: 3 } }, [3, 7])
    assert.notDeepEqual(values(outcome.weights.mean), [0.2, -0.1, 0.05, 0].map(Math.fround))
    const other = await training({ ...options, settings: { methods: [stochasticNorm({ probability: 1 })], epochs: 3 } })
    const batch = await training({ ...options, settings: { batchNorm: 'train', epochs: 3 } })
    assertClose(other.outcome.weights.conv?.data, values(batch.outcome.weights.conv), 'probability 1', 1e-4, 1e-6)
    assert.notDeepEqual(values(outcome.weights.conv), values(other.outcome.weights.conv))
    await assertResumes(
      { ...options, settings: { methods: [stochasticNorm()], accumulate: 2, batch: 4, epochs: 2 } },
      [3],
    )
  })

  it('refuses a network without batch norm', async () => {
    await assert.rejects(prepared(stochasticNorm(), { engine }), /has no batch norm/)
  })
})
