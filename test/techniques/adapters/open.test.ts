/** Several adapters on one network in memory give what each of them gives alone. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GraftError } from '#graft/base/errors.js'
import { Random } from '#graft/base/random.js'
import { float32 } from '#graft/graph/tensor.js'
import {
  type AdapterMethod,
  applyAdapter,
  bitFit,
  houlsby,
  ia3,
  type LoadedAdapter,
  lora,
  promptTuning,
  rsLora,
} from '#graft/models/adapters/index.js'
import { withTrained } from '#graft/models/edit.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { openAdapters } from '#graft/techniques/adapters/open.js'
import { residualNetwork, transformer, WIDTH } from '../../models/adapters/networks.js'
import { distance, feedsFor, moved, outputsOf, texts } from '../../models/adapters/training.js'

describe('several adapters on one network', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  const trained = (model: ReturnType<typeof transformer>, method: AdapterMethod, seed: number): LoadedAdapter => {
    const applied = applyAdapter(model, method, new Random(seed))
    return { applied, weights: moved(applied, seed, 0.2) }
  }
  const alone = ({ applied, weights }: LoadedAdapter, feeds: ReturnType<typeof texts>) =>
    outputsOf(engine, withTrained(applied.model, weights), feeds)
  const data = (outputs: Record<string, { data: unknown }>) =>
    Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data as Float32Array]))

  it('switches between LoRA of other ranks, scales, targets and heads', async () => {
    const model = transformer()
    const feeds = texts(3, 5)
    const adapters: Record<string, LoadedAdapter> = {
      small: trained(model, lora({ rank: 2, alpha: 3 }), 1),
      large: trained(model, rsLora({ rank: 5, targets: ['intermediate', 'key'] }), 2),
      both: trained(
        model,
        lora({ rank: 3, targets: ['all-linear'], sizes: { 'encoder.layer.0.output': { rank: 1, alpha: 7 } } }),
        3,
      ),
    }
    const random = new Random(6)
    const numbers = (n: number) => Float32Array.from({ length: n }, () => random.normal())
    const head = new Map([
      ['head.weight', float32([3, WIDTH], numbers(3 * WIDTH))],
      ['head.bias', float32([3], numbers(3))],
    ])
    adapters.headed = { ...adapters.small!, weights: new Map([...adapters.small!.weights, ...head]) }
    const open = await openAdapters(model, adapters, { engine })
    assert.deepEqual(open.names, ['small', 'large', 'both', 'headed'])
    const expected = new Map<string | undefined, Record<string, Float32Array>>([
      [undefined, await outputsOf(engine, model, feeds)],
    ])
    for (const [name, adapter] of Object.entries(adapters)) expected.set(name, await alone(adapter, feeds))
    // Not waiting for one another.
    const order = ['small', 'large', undefined, 'small', 'both', 'headed', 'small', undefined, 'large']
    const results = await Promise.all(order.map((name) => open.run(name, feeds)))
    results.forEach((result, i) => {
      const gap = distance(expected.get(order[i])!, data(result))
      assert.ok(gap < 1e-5, `${order[i]}: ${gap}`)
    })
    assert.ok(distance(expected.get('small')!, expected.get('large')!) > 1e-2)
    assert.ok(distance(expected.get('small')!, expected.get('headed')!) > 1e-2)
    // A head of another number of classes.
    const five = new Map([
      ['head.weight', float32([5, WIDTH], numbers(5 * WIDTH))],
      ['head.bias', float32([5], numbers(5))],
    ])
    const wide = await openAdapters(
      model,
      { small: adapters.small!, wide: { ...adapters.large!, weights: new Map([...adapters.large!.weights, ...five]) } },
      { engine },
    )
    assert.deepEqual((await wide.run('wide', feeds)).logits?.dims, [3, 5])
    assert.deepEqual((await wide.run('small', feeds)).logits?.dims, [3, 3])
    await wide.close()
    await assert.rejects(() => open.run('none', feeds), GraftError)
    await open.close()
  })

  it('switches between adapters of every other kind that are alike, on halves and constants too', async () => {
    const halves = transformer({ stored: 'half' })
    const cases: readonly (readonly [ReturnType<typeof transformer>, AdapterMethod])[] = [
      [halves, ia3()],
      [halves, houlsby({ bottleneck: 3 })],
      [residualNetwork(), bitFit()],
      [residualNetwork(), houlsby({ bottleneck: 2 })],
    ]
    for (const [model, method] of cases) {
      const feeds = feedsFor(model, 3)
      const adapters = { a: trained(model, method, 1), b: trained(model, method, 2) }
      const open = await openAdapters(model, adapters, { engine })
      for (const name of ['a', 'b', 'a'] as const)
        assert.ok(distance(await alone(adapters[name], feeds), data(await open.run(name, feeds))) < 1e-5)
      assert.ok(distance(await outputsOf(engine, model, feeds), data(await open.run(undefined, feeds))) < 1e-5)
      await open.close()
    }
  })

  it('opens an engine of its own, and refuses what does not go together', async () => {
    const model = transformer()
    const feeds = texts(2, 5)
    const prompt = trained(model, promptTuning({ tokens: 2 }), 1)
    const open = await openAdapters(model, { prompt }, { threads: 1 })
    assert.ok(distance(await alone(prompt, feeds), data(await open.run('prompt', feeds))) < 1e-5)
    await assert.rejects(() => open.run(undefined, feeds), /there is no network without it/)
    await open.close()
    await assert.rejects(
      () => openAdapters(model, { a: trained(model, lora(), 1), b: trained(model, ia3(), 1) }, { engine }),
      /The adapters differ/,
    )
    await assert.rejects(() => openAdapters(model, {}, { engine }), GraftError)
    const strange = { ...prompt, weights: new Map([...prompt.weights, ['nothing', float32([1], [1])]]) }
    await assert.rejects(() => openAdapters(model, { strange }, { engine }), /has a weight "nothing"/)
  })
})
