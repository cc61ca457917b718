/** Methods of fine-tuning: their terms against plain formulas and central differences, and what they do to a training. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { float32 } from '#graft/graph/tensor.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import type { TuningMethod, Weights } from '#graft/techniques/fineTuning/method.js'
import { distillation } from '#graft/techniques/fineTuning/methods/distillation.js'
import { elasticWeights } from '#graft/techniques/fineTuning/methods/elasticWeights.js'
import { fisherInformation } from '#graft/techniques/fineTuning/methods/fisher.js'
import { l2sp } from '#graft/techniques/fineTuning/methods/l2sp.js'
import { mixWeights } from '#graft/techniques/fineTuning/methods/mixWeights.js'
import { startingWeights } from '#graft/techniques/fineTuning/methods/penalty.js'
import { sharpnessAware } from '#graft/techniques/fineTuning/methods/sharpness.js'
import { greedySoup, uniformSoup } from '#graft/techniques/fineTuning/methods/soup.js'
import { teachingLoss } from '#graft/techniques/fineTuning/methods/teaching.js'
import { wiseFt } from '#graft/techniques/fineTuning/methods/wiseFt.js'
import { withoutForgetting } from '#graft/techniques/fineTuning/methods/withoutForgetting.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { completeState, openStepper } from '#graft/techniques/fineTuning/steps.js'
import { lossAndGradient } from '../../losses/support.js'
import { assertClose } from '../../support/compare.js'
import { checkGradients } from '../../support/gradients.js'
import { appendTerm, drawn, prepared, rowsOf, share, termOf } from './methodLoss.js'
import { SETTINGS, toyNetwork, toySamples } from './toy.js'
import { textNetwork, textSource, texts, textTargets } from './toyText.js'
import { assertResumes, training } from './training.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const random = new Random(1, 'methods')
const softmax = (z: readonly number[]) => {
  const top = Math.max(...z)
  const powers = z.map((v) => Math.exp(v - top))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map((p) => p / sum)
}
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
const values = (tensor: HostTensor | undefined) => Array.from(tensor?.data as Float32Array)
const norm = (numbers: readonly number[]) => Math.hypot(...numbers)

/** Distance of weights from those the toy network starts with, over these parameters. */
function moved(weights: Weights, network: Network, names: readonly string[]): number {
  const start = startingWeights(network)
  return norm(names.flatMap((name) => values(weights[name]).map((v, i) => v - values(start[name])[i]!)))
}

/** A training is resumed to the same bits with the method, with micro-batches and without. */
function resumes(name: string, method: () => TuningMethod, settings: Partial<TuningSettings> = {}): void {
  it('resumes to the same weights, where gradients accumulate too', async () => {
    await assertResumes({ settings: { methods: [method()], ...settings } })
    await assertResumes({ settings: { methods: [method()], batch: 4, accumulate: 2, epochs: 2, ...settings } }, [5])
    assert.equal(method().name, name)
  })
}

/** Micro-batches make the step of the whole batch. */
function accumulates(method: () => TuningMethod): void {
  it('is the same step in micro-batches', async () => {
    const one = await oneStep([method()], { batch: 12, accumulate: 1 })
    const parts = await oneStep([method()], { batch: 4, accumulate: 3 })
    assertClose(parts, one, 'weights', 1e-4, 1e-6)
    assert.notDeepEqual(one, await oneStep([], { batch: 12, accumulate: 1 }))
  })
}

async function oneStep(
  methods: readonly TuningMethod[],
  changes: Partial<TuningSettings>,
  rate = 0.1,
  state: Weights = {},
  source: SampleSource = toySamples(12),
): Promise<number[]> {
  const settings = { ...SETTINGS, clip: 0, momentum: 0, weightDecay: 0, ...changes, methods }
  const network = toyNetwork()
  const prepare = await Promise.all(methods.map((method) => prepared(method, { engine, settings, train: source })))
  const stepper = await openStepper({ engine, network, first: 0, targets: source.targets, settings, methods: prepare })
  try {
    await completeState(engine, stepper.program, new Set())
    await engine.setState(state)
    const order = Int32Array.from({ length: 12 }, (_, i) => i)
    const batches = []
    const request = { order, start: 0, size: settings.batch, epoch: undefined, signal: new AbortController().signal }
    for await (const batch of source.batches(request)) batches.push(batch)
    await stepper.step(batches, rate, new Random(1))
    const found = await engine.getState(network.layers.flat())
    return network.layers.flat().flatMap((name) => values(found[name]))
  } finally {
    await stepper.release()
  }
}

describe('L2-SP', () => {
  const feeds = () => ({
    w0: drawn(random, [2, 3]),
    w2: drawn(random, [2, 2]),
    b2: drawn(random, [2]),
    'fixed.w0': drawn(random, [2, 3]),
    share: share(0.25),
  })
  const method = () => l2sp({ alpha: 0.3, beta: 0.7 })

  it('is alpha / 2 norm(w - w0)^2 + beta / 2 norm(head)^2, and its gradient is right', async () => {
    const at = feeds()
    const found = await termOf(engine, await prepared(method(), { engine }), at, ['w0', 'w2', 'b2'])
    const off = values(at.w0).map((v, i) => v - values(at['fixed.w0'])[i]!)
    const squares = (numbers: readonly number[]) => numbers.reduce((sum, v) => sum + v * v, 0)
    const expected = 0.25 * (0.15 * squares(off) + 0.35 * squares([...values(at.w2), ...values(at.b2)]))
    assertClose([found.add], [expected], 'penalty')
    assert.equal(found.own, 1)
    const ready = await prepared(method(), { engine })
    const { share: part, 'fixed.w0': start, ...vary } = at
    const named = await checkGradients(engine, {
      label: 'l2-sp',
      vary,
      feeds: { share: part, 'fixed.w0': start },
      build: (g) => [appendTerm(g, ready, ['w0', 'w2', 'b2']).add],
    })
    assert.equal(named.size, 3)
  })

  it('holds the backbone near its start', async () => {
    const free = await training()
    const held = await training({ settings: { methods: [l2sp({ alpha: 3, beta: 0 })] } })
    const names = ['w0', 'w1']
    const [far, near] = [free, held].map(({ outcome }) => moved(outcome.weights, toyNetwork(), names))
    assert.ok(near! < 0.5 * far!, `${near} against ${far}`)
  })

  it('leaves the start where it was', async () => {
    const ready = await prepared(method(), { engine })
    const settings = { ...SETTINGS, methods: [method()] }
    const source = toySamples(8)
    const network = toyNetwork()
    const stepper = await openStepper({
      engine,
      network,
      first: 0,
      targets: source.targets,
      settings,
      methods: [ready],
    })
    await completeState(engine, stepper.program, new Set())
    const order = Int32Array.from({ length: 8 }, (_, i) => i)
    const request = { order, start: 0, size: 8, epoch: undefined, signal: new AbortController().signal }
    for (let i = 0; i < 3; i++)
      for await (const batch of source.batches(request)) await stepper.step([batch], 0.1, new Random(i))
    const { w0, 'graft.l2-sp/w0': kept } = await engine.getState(['w0', 'graft.l2-sp/w0'])
    await stepper.release()
    assert.deepEqual(kept?.data, startingWeights(network).w0?.data)
    assert.notDeepEqual(w0?.data, kept?.data)
  })

  accumulates(method)
  resumes('l2-sp', method, { schedule: 'gradual' })
})

describe('what a student learns of a teacher', () => {
  const dims = [3, 4]
  const [student, teacher] = [drawn(random, dims, 2), drawn(random, dims, 2)]
  const places = floats([3], Float32Array.of(0.5, 0, 0.5))
  const T = 3
  const loss = (kind: 'single-label' | 'multi-label' | 'number', feeds: Record<string, HostTensor>) =>
    lossAndGradient(engine, (g) => teachingLoss(g, kind, 'logits', 'teacher', 'places', T), feeds)

  it('is the divergence of softened answers, for classes, labels and numbers', async () => {
    const [z, t] = [rowsOf(student), rowsOf(teacher)]
    const p = [0.5, 0, 0.5]
    const over = (each: (z: number[], t: number[]) => number) =>
      z.reduce((sum, row, n) => sum + p[n]! * each(row, t[n]!), 0)
    const cool = (row: number[]) => row.map((v) => v / T)
    const expected = {
      'single-label':
        T *
        T *
        over((a, b) => {
          const [own, other] = [softmax(cool(a)), softmax(cool(b))]
          return other.reduce((sum, q, k) => sum + q * Math.log(q / own[k]!), 0)
        }),
      'multi-label':
        T *
        T *
        over((a, b) => {
          const each = cool(b).map((v, k) => {
            const [q, own] = [sigmoid(v), sigmoid(cool(a)[k]!)]
            return q * Math.log(q / own) + (1 - q) * Math.log((1 - q) / (1 - own))
          })
          return each.reduce((x, y) => x + y, 0) / 4
        }),
      number: over((a, b) => a.reduce((sum, v, k) => sum + (v - b[k]!) ** 2, 0) / 4 / 2),
    }
    for (const kind of ['single-label', 'multi-label', 'number'] as const) {
      const found = await loss(kind, { logits: student, teacher, places })
      assertClose([found.loss], [expected[kind]], kind, 1e-4)
      const same = await loss(kind, { logits: teacher, teacher, places })
      assertClose([same.loss, ...same.gradient], new Array(13).fill(0), `${kind}: the same`, 0, 1e-5)
    }
  })

  it('has gradients that equal central differences, and stays finite far out', async () => {
    for (const kind of ['single-label', 'multi-label', 'number'] as const) {
      await checkGradients(engine, {
        label: `teaching ${kind}`,
        vary: { logits: student },
        feeds: { teacher, places },
        build: (g) => [teachingLoss(g, kind, 'logits', 'teacher', 'places', T)],
      })
      const far = floats(
        dims,
        Float32Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? 3e3 : -3e3)),
      )
      const found = await loss(kind, { logits: far, teacher, places })
      assert.ok(Number.isFinite(found.loss) && found.gradient.every(Number.isFinite))
    }
  })
})

describe('distillation', () => {
  const teacher = () => toyNetwork(5).model
  const method = () => distillation({ teacher: teacher(), alpha: 0.8, temperature: 2 })

  it('shares the loss between labels and teacher', async () => {
    const feeds = {
      logits: drawn(random, [2, 3]),
      'taught.logits': drawn(random, [2, 3]),
      places: floats([2], Float32Array.of(0.5, 0.5)),
    }
    const { add, own } = await termOf(engine, await prepared(method(), { engine }), feeds)
    const rows = rowsOf(feeds.logits).map((z) => softmax(z.map((v) => v / 2)))
    const others = rowsOf(feeds['taught.logits']).map((z) => softmax(z.map((v) => v / 2)))
    const divergence = others.map((q, n) => q.reduce((sum, v, k) => sum + v * Math.log(v / rows[n]![k]!), 0))
    assertClose([add], [0.8 * 4 * ((divergence[0]! + divergence[1]!) / 2)], 'term')
    assertClose([own], [0.2], 'own')
  })

  it('takes the student to what the teacher says, labels or none', async () => {
    const labelled = toySamples(50)
    const unlabelled: SampleSource = {
      ...labelled,
      targets: { kind: 'single-label', classes: ['a', 'b', 'c'], labels: new Int32Array(50).fill(-1) },
    }
    const { outcome } = await training({
      train: unlabelled,
      settings: { epochs: 25, methods: [distillation({ teacher: teacher(), alpha: 1, temperature: 1 })] },
    })
    // The teacher's answers are known from a training of it at rate 0.
    const { outcome: said } = await training({ network: toyNetwork(5), settings: { epochs: 1, lr: 0, weightDecay: 0 } })
    const { outcome: before } = await training({ settings: { epochs: 1, lr: 0, weightDecay: 0 } })
    const answers = (logits: { rows: number; data: Float32Array } | undefined) =>
      rowsOf(floats([logits!.rows, 3], logits!.data)).flatMap(softmax)
    const distance = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + Math.abs(v - b[i]!), 0)
    const [end, start] = [outcome, before].map((o) =>
      distance(answers(o.validationLogits), answers(said.validationLogits)),
    )
    assert.ok(end! < 0.25 * start!, `${end} against ${start}`)
  })

  it('refuses a teacher of other classes or inputs', async () => {
    const other = textNetwork(3, 'text').model
    await assert.rejects(prepared(distillation({ teacher: other }), { engine }), /reads input_ids, attention_mask/)
    const four = toySamples(8)
    const classes = ['a', 'b', 'c', 'd']
    const train: SampleSource = { ...four, targets: { kind: 'single-label', classes, labels: new Int32Array(8) } }
    await assert.rejects(prepared(method(), { engine, train }), /expected 4 logits/)
  })

  it('works on text in buckets', async () => {
    const all = texts(40)
    const targets = textTargets(all)['single-label']
    const settings = { epochs: 3, methods: [distillation({ teacher: textNetwork(3, 'text', 8).model })] }
    const source = textSource(all, targets)
    await assertResumes({ network: textNetwork(3, 'text'), train: source, validation: source, settings }, [4])
  })

  accumulates(method)
  resumes('distillation', method)
})

describe('learning without forgetting', () => {
  it('keeps what the old network said, where a class was added too', async () => {
    const feeds = {
      logits: drawn(random, [2, 3]),
      'taught.logits': drawn(random, [2, 2]),
      places: floats([2], Float32Array.of(0.5, 0.5)),
    }
    // The old network knew the first and the last class.
    const old = twoClasses()
    const method = withoutForgetting({ old, classes: [2, 0], temperature: 2, weight: 3 })
    const { add, own } = await termOf(engine, await prepared(method, { engine }), feeds)
    const rows = rowsOf(feeds.logits).map((z) => softmax([z[2]! / 2, z[0]! / 2]))
    const others = rowsOf(feeds['taught.logits']).map((z) => softmax(z.map((v) => v / 2)))
    const divergence = others.map((q, n) => q.reduce((sum, v, k) => sum + v * Math.log(v / rows[n]![k]!), 0))
    assertClose([add], [3 * 4 * ((divergence[0]! + divergence[1]!) / 2)], 'term')
    assert.equal(own, 1)
    const bad = withoutForgetting({ old, classes: [2, 3] })
    await assert.rejects(prepared(bad, { engine }), /there are 3/)
  })

  /** The toy network with its first two outputs alone. */
  function twoClasses() {
    const { model } = toyNetwork(3)
    const { graph } = model
    const initializers = new Map(graph.initializers)
    initializers.set('w2', float32([2, 10], (graph.initializers.get('w2')!.data as Float32Array).slice(0, 20)))
    initializers.set('b2', float32([2], [0, 0]))
    return {
      ...model,
      graph: { ...graph, initializers, outputs: [{ name: 'logits', type: 'float32' as const, shape: ['batch', 2] }] },
    }
  }

  accumulates(() => withoutForgetting({ old: toyNetwork(4).model }))
  resumes('without-forgetting', () => withoutForgetting({ old: twoClasses(), classes: [1, 2] }))
})

describe('elastic weights', () => {
  const network = toyNetwork()
  const fisherOf = (value: (name: string) => number): Weights =>
    Object.fromEntries(
      Object.entries(startingWeights(network)).map(([name, { dims, data }]) => [
        name,
        floats(dims, new Float32Array(data.length).fill(value(name))),
      ]),
    )

  it('is lambda / 2 sum F (w - w0)^2, and its gradient is right', async () => {
    const method = elasticWeights({ fisher: fisherOf(() => 1), lambda: 3 })
    const ready = await prepared(method, { engine })
    const at = {
      w0: drawn(random, [2, 3]),
      'fixed.anchor.w0': drawn(random, [2, 3]),
      'fixed.fisher.w0': floats([2, 3], Float32Array.of(0, 1, 2, 0.5, 3, 0.1)),
      share: share(0.5),
    }
    const { add } = await termOf(engine, ready, at, ['w0'])
    const expected = values(at.w0).reduce(
      (sum, v, i) => sum + values(at['fixed.fisher.w0'])[i]! * (v - values(at['fixed.anchor.w0'])[i]!) ** 2,
      0,
    )
    assertClose([add], [0.5 * 1.5 * expected], 'penalty')
    const { w0, ...feeds } = at
    await checkGradients(engine, {
      label: 'ewc',
      vary: { w0 },
      feeds,
      build: (g) => [appendTerm(g, ready, ['w0']).add],
    })
  })

  it('holds what mattered and leaves the rest free', async () => {
    const fisher = fisherOf((name) => (name === 'w0' ? 1 : 0))
    const { outcome } = await training({ settings: { methods: [elasticWeights({ fisher, lambda: 10 })] } })
    const { outcome: free } = await training()
    assert.ok(moved(outcome.weights, network, ['w0']) < 0.2 * moved(free.weights, network, ['w0']))
    assert.ok(moved(outcome.weights, network, ['w1']) > 0.5 * moved(free.weights, network, ['w1']))
  })

  it('leaves a parameter of another shape free and says so', async () => {
    const fisher = { ...fisherOf(() => 1), w2: floats([4, 10], new Float32Array(40)) }
    const warnings: string[] = []
    const ready = await prepared(elasticWeights({ fisher }), { engine, warnings })
    assert.ok(!Object.keys(ready.fixed!).some((name) => name.endsWith('.w2')))
    assert.match(warnings.join(), /1 of 6 parameters .* w2/)
  })

  const method = () =>
    elasticWeights({ fisher: fisherOf(() => 0.3), anchor: startingWeights(toyNetwork(9)), lambda: 2 })
  accumulates(method)
  resumes('ewc', method)
})

describe('Fisher information', () => {
  const request = {
    engine,
    network: toyNetwork(),
    source: toySamples(6),
    random: new Random(1),
    signal: new AbortController().signal,
  }

  it('is the mean square of the gradients of single samples', async () => {
    const found = await fisherInformation({ ...request, engine })
    const sums = new Map<string, number[]>()
    // The gradient of each sample from a plain step at rate 1: w - w'.
    for (let i = 0; i < 6; i++) {
      const network = toyNetwork()
      const settings = { ...SETTINGS, batch: 1, clip: 0, momentum: 0, weightDecay: 0 }
      const source = toySamples(6)
      const stepper = await openStepper({ engine, network, first: 0, targets: source.targets, settings })
      await completeState(engine, stepper.program, new Set())
      const order = Int32Array.of(i)
      for await (const batch of source.batches({ order, start: 0, size: 1, epoch: undefined, signal: request.signal }))
        await stepper.step([batch], 1, new Random(1))
      const after = await engine.getState(network.layers.flat())
      await stepper.release()
      for (const [name, start] of Object.entries(startingWeights(network))) {
        const squares = values(start).map((v, k) => (v - values(after[name])[k]!) ** 2)
        sums.set(
          name,
          squares.map((s, k) => s + (sums.get(name)?.[k] ?? 0)),
        )
      }
    }
    for (const [name, sum] of sums)
      assertClose(
        found[name]?.data,
        sum.map((s) => s / 6),
        name,
        1e-3,
        1e-6,
      )
  })

  it('draws labels from the network where asked for, and refuses where it cannot', async () => {
    const proper = await fisherInformation({ ...request, engine, labels: 'model' })
    const empirical = await fisherInformation({ ...request, engine })
    assert.notDeepEqual(proper.w2?.data, empirical.w2?.data)
    const again = await fisherInformation({ ...request, engine, random: new Random(1), labels: 'model' })
    assert.deepEqual(again.w2?.data, proper.w2?.data)
    const all = texts(6)
    const source = textSource(all, textTargets(all).number)
    const asked = { ...request, engine, network: textNetwork(1, 'text'), source }
    await assert.rejects(fisherInformation({ ...asked, labels: 'model' }), /one class each/)
    assert.ok(values((await fisherInformation(asked)).embeddings).some((v) => v > 0))
  })
})

describe('sharpness-aware minimisation', () => {
  it('steps with the gradient at w + rho g / norm(g)', async () => {
    const rho = 0.3
    const names = toyNetwork().layers.flat()
    const start = startingWeights(toyNetwork())
    const flat = names.flatMap((name) => values(start[name]))
    // A plain step at rate 1 gives the gradient.
    const g1 = (await oneStep([], { batch: 12 }, 1)).map((v, i) => flat[i]! - v)
    const up = flat.map((v, i) => v + (rho * g1[i]!) / norm(g1))
    let at = 0
    const raised: Record<string, HostTensor> = {}
    for (const name of names) {
      const { dims, data } = start[name]!
      raised[name] = floats(dims, Float32Array.from(up.slice(at, at + data.length)))
      at += data.length
    }
    const g2 = (await oneStep([], { batch: 12 }, 1, raised)).map((v, i) => up[i]! - v)
    const expected = flat.map((v, i) => v - 0.1 * g2[i]!)
    const found = await oneStep([sharpnessAware({ rho })], { batch: 12 })
    assertClose(found, expected, 'weights', 1e-4, 1e-5)
    assert.ok(norm(g1.map((v, i) => v - g2[i]!)) > 0.01 * norm(g1), 'the gradients are the same')
  })

  it('takes a neighbour for each micro-batch, and goes back to the weights', async () => {
    const [one, parts, plain] = [
      await oneStep([sharpnessAware({ rho: 0.3 })], { batch: 12 }),
      await oneStep([sharpnessAware({ rho: 0.3 })], { batch: 4, accumulate: 3 }),
      await oneStep([sharpnessAware({ rho: 1e-6 })], { batch: 4, accumulate: 3 }),
    ]
    assert.notDeepEqual(parts, one)
    assertClose(plain, await oneStep([], { batch: 12 }), 'a tiny radius', 1e-4, 1e-5)
  })

  it('leaves the weights where they were when a step is not finite', async () => {
    const start = startingWeights(toyNetwork())
    const before = toyNetwork()
      .layers.flat()
      .flatMap((name) => values(start[name]))
    const found = await oneStep([sharpnessAware()], { batch: 12 }, 0.1, {}, toySamples(12, 2, 1e30))
    assert.deepEqual(found, before)
  })

  resumes('sam', () => sharpnessAware(), { ema: 0.9, optimizer: 'adamw', lr: 0.01 })
})

describe('WiSE-FT', () => {
  it('is a mixture of start and end, chosen on the validation samples', async () => {
    const { outcome: plain } = await training({ settings: { schedule: 'lp-ft' } })
    const start = startingWeights(toyNetwork())
    const { outcome: fixed } = await training({ settings: { schedule: 'lp-ft', methods: [wiseFt({ alpha: 0.3 })] } })
    for (const [name, { data }] of Object.entries(fixed.weights))
      assertClose(
        data,
        values(plain.weights[name]).map((v, i) => 0.7 * values(start[name])[i]! + 0.3 * v),
        name,
      )
    const { outcome, events } = await training({ settings: { schedule: 'lp-ft', methods: [wiseFt()] } })
    const decision = events.find((event) => event.type === 'decision')
    assert.ok(decision && decision.name === 'WiSE-FT alpha')
    const alpha = Number(decision.choice)
    assertClose(
      outcome.weights.w1?.data,
      values(plain.weights.w1).map((v, i) => (1 - alpha) * values(start.w1)[i]! + alpha * v),
      'w1',
    )
    assert.ok(alpha > 0, 'the start is not trained')
    assert.equal(outcome.validationLogits?.rows, 30)
    assert.deepEqual(outcome.checkLogits.data, outcome.validationLogits?.data.slice(0, 8 * 3))
  })

  it('warns where the start has a random head', async () => {
    const warnings: string[] = []
    await prepared(wiseFt(), { engine, warnings })
    assert.match(warnings.join(), /head is random/)
    assert.throws(() => wiseFt({ alpha: 1.5 }), /0 to 1/)
  })

  resumes('wise-ft', () => wiseFt(), { schedule: 'lp-ft' })
})

describe('model soups', () => {
  const member = (value: number): Weights => ({ w: floats([1], Float32Array.of(value)) })
  // What is right is 1; the loss is the distance, the value counts whole halves of it.
  const evaluate = async (weights: Weights) => {
    const off = Math.abs(values(weights.w)[0]! - 1)
    return {
      logits: { rows: 0, columns: 0, data: new Float32Array() },
      score: { loss: off, value: -Math.floor(off / 0.25), figures: {} },
    }
  }

  it('are the mean of all, or of those that help', async () => {
    assertClose(uniformSoup([member(1), member(2), member(6)]).w?.data, [3], 'uniform')
    const soup = await greedySoup([member(5), member(1.4), member(0.6), member(-3)], evaluate)
    // 1.4 and 0.6 are as good by value, and by loss; the first comes first, and their mean is right. 5 and -3 spoil it.
    assert.deepEqual(soup.members, [1, 2])
    assertClose(soup.weights.w?.data, [1], 'greedy')
    const alone = await greedySoup([member(1), member(9)], evaluate)
    assert.deepEqual(alone.members, [0])
  })

  it('refuse weights of different networks', () => {
    assert.throws(() => mixWeights([member(1), { v: floats([1], Float32Array.of(1)) }], [0.5, 0.5]), /differ in "v"/)
    assert.throws(() => mixWeights([member(1), { w: floats([2], new Float32Array(2)) }], [0.5, 0.5]), /differ in "w"/)
    assert.throws(() => uniformSoup([]), /no weights/)
  })
})

describe('several methods', () => {
  it('add up', async () => {
    const both = [l2sp(), distillation({ teacher: toyNetwork(5).model }), sharpnessAware()]
    await assertResumes({ settings: { methods: both, epochs: 2 } }, [5])
  })

  it('are refused where they contradict each other or are named twice', async () => {
    await assert.rejects(training({ settings: { methods: [l2sp(), l2sp({ alpha: 1 })] } }), /named twice/)
  })
})
