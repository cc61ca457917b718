/** Optimizers as pieces of a training program: five steps give PyTorch's numbers. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { adam, adamW, type Optimizer, sgd } from '#graft/optim/optimizer.js'
import { STEP, STEP_OUTPUTS } from '#graft/optim/trainingProgram.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { assertClose } from '../support/compare.js'
import { batch, compile, type Options, rates, scalarOf, stateOf } from './network.js'
import { TORCH } from './torch.js'

interface Settings extends Options {
  /** By step and group. */
  readonly rate: (step: number, group: string) => number
}

const plain = (optimizer: Optimizer, rate: number): Settings => ({ optimizer, rate: () => rate })

const SETTINGS: Readonly<Record<keyof typeof TORCH, Settings>> = {
  sgd: plain(sgd({ momentum: 0 }), 0.1),
  'sgd, momentum': plain(sgd(), 0.1),
  'sgd, Nesterov, weight decay': plain(sgd({ momentum: 0.8, nesterov: true, weightDecay: 0.05 }), 0.1),
  adam: plain(adam(), 0.05),
  'adam, weight decay': plain(adam({ weightDecay: 0.1 }), 0.05),
  adamW: plain(adamW({ beta1: 0.8, beta2: 0.99, epsilon: 1e-6, weightDecay: 0.1 }), 0.05),
  'adamW, defaults': plain(adamW(), 0.05),
  'sgd, clipped': { ...plain(sgd(), 0.1), clipNorm: 0.15 },
  'adamW, groups': {
    optimizer: adamW({ weightDecay: 0.2 }),
    group: (name) =>
      name === 'w2' ? { name: 'head' } : name === 'b1' ? { name: 'body', decays: false } : { name: 'body' },
    rate: (_step, group) => (group === 'head' ? 0.1 : 0.01),
  },
  'sgd, moving average': { ...plain(sgd(), 0.3), ema: 0.8 },
  'sgd, falling rate': { optimizer: sgd(), rate: (step) => 0.2 / (1 + step) },
}

describe('optimizers', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const [name, expected] of Object.entries(TORCH))
    it(`${name}: five steps are PyTorch's`, async () => {
      const { rate, ...options } = SETTINGS[name as keyof typeof TORCH]
      const program = compile(options)
      assert.equal(program.apply, undefined)
      const step = await engine.load(program.step)
      await engine.setState(program.initialState)
      for (const [i, loss] of expected.losses.entries()) {
        const found = await step.run({ ...batch(i), ...rates(program, (group) => rate(i, group)) })
        assertClose([scalarOf(found[STEP_OUTPUTS.loss])], [loss], `loss of step ${i}`)
        assertClose(
          [scalarOf(found[STEP_OUTPUTS.gradientNorm])],
          [expected.norms[i] as number],
          `norm of step ${i}`,
          1e-4,
        )
        assert.equal(scalarOf(found[STEP_OUTPUTS.finite]), 1)
        assert.deepEqual(found['logits out']?.dims, [4, 2])
      }
      const state = await stateOf(engine, program)
      for (const [weight, values] of Object.entries(expected.weights))
        assertClose(state[weight]?.data, values, weight, 1e-5, 1e-6)
      assert.equal(scalarOf(state[STEP]), expected.losses.length)
      await step.release()
    })
})
