import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  constant,
  cosine,
  layerDecay,
  linear,
  oneCycle,
  resolveSchedule,
  SCHEDULES,
  type Schedule,
  step,
  warmUp,
} from '#graft/optim/schedules.js'

const along = (schedule: Schedule, total: number) => Array.from({ length: total }, (_, i) => schedule(i, total))

function close(found: readonly number[], expected: readonly number[], tolerance = 1e-12): void {
  assert.equal(found.length, expected.length)
  found.forEach((value, i) => {
    const gap = Math.abs(value - expected[i]!)
    assert.ok(gap <= tolerance * Math.max(1, Math.abs(expected[i]!)), `step ${i}: ${value}, expected ${expected[i]}`)
  })
}

test('warm-up and cosine equal the LambdaLR of a usual PyTorch fine-tuning script', () => {
  for (const [total, warm] of [
    [375, 37],
    [20, 2],
    [750, 75],
  ] as const) {
    const expected = Array.from({ length: total }, (_, i) =>
      i < warm ? (i + 1) / warm : 0.5 * (1 + Math.cos((Math.PI * (i - warm)) / (total - warm))),
    )
    close(along(warmUp(cosine()), total), expected)
    close(along(warmUp(cosine(), { steps: warm }), total), expected)
  }
})

test('a run of one step, or shorter than its warm-up, still has a positive rate', () => {
  assert.equal(warmUp(cosine())(0, 1), 1)
  assert.deepEqual(along(warmUp(constant(), { steps: 10 }), 3), [0.5, 1, 1])
  assert.equal(oneCycle()(0, 1) > 0, true)
})

// Rates that torch 2.15 gives its optimizer, max_lr = 1: total_steps 10, then total_steps 13, pct_start 0.25, div_factor 10, final_div_factor 100.
test('one cycle equals torch.optim.lr_scheduler.OneCycleLR', () => {
  close(
    along(oneCycle(), 10),
    [
      0.040000000000000036, 0.52, 1.0, 0.9504846320134737, 0.8117456539497631, 0.6112620219362893, 0.38874197806371075,
      0.18825834605023697, 0.049519367986526286, 4e-6,
    ],
    1e-9,
  )
  close(
    along(oneCycle({ rise: 0.25, startDivisor: 10, endDivisor: 100 }), 13),
    [
      0.09999999999999998, 0.47185832004988126, 0.9728616793536587, 0.985485437804313, 0.9226724477291255,
      0.8164064651098909, 0.6776251410777465, 0.5206128370846529, 0.3615303767737319, 0.21675165900778773,
      0.10117833967995127, 0.026706047247400833, 0.001,
    ],
    1e-9,
  )
})

test('step equals torch.optim.lr_scheduler.StepLR', () => {
  assert.deepEqual(along(step({ every: 2, gamma: 0.5 }), 6), [1, 1, 0.5, 0.5, 0.25, 0.25])
  close(along(step(), 6), [1, 1, 0.1, 0.1, 0.01, 0.01])
})

test('linear and cosine reach their final factor after the last step', () => {
  close(along(linear({ final: 0.2 }), 4), [1, 0.8, 0.6, 0.4])
  assert.equal(linear({ final: 0.2 })(4, 4), 0.19999999999999996)
  close(along(cosine({ final: 0.1 }), 4), [1, 0.1 + 0.45 * (1 + Math.SQRT1_2), 0.55, 0.1 + 0.45 * (1 - Math.SQRT1_2)])
})

test('schedules are found by name and an unknown name says which there are', () => {
  for (const name of Object.keys(SCHEDULES) as (keyof typeof SCHEDULES)[]) {
    const factor = resolveSchedule(name)(1, 10)
    assert.ok(factor > 0 && factor <= 1, `${name}: ${factor}`)
  }
  assert.throws(() => resolveSchedule('exponential' as 'cosine'), /no schedule "exponential"/)
  assert.throws(() => step({ every: 0 }), /above 0/)
})

test('layer decay gives the head 1 and each earlier layer a smaller rate', () => {
  close(layerDecay(4, 0.5), [0.125, 0.25, 0.5, 1])
  close(layerDecay(2), [1 / 2.6, 1])
})
