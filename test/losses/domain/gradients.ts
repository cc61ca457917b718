/** A scalar of the engine and its gradients, against a formula in double precision. */
import assert from 'node:assert/strict'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import type { Engine } from '#graft/runtime/engine.js'
import { assertClose, runOnce } from '../../support/compare.js'
import { type Rows, tensorOf } from './plain.js'

export type Matrices = Readonly<Record<string, Rows>>

/** The value, and its gradient by each of `by`. */
export async function valueAndGradients(
  engine: Engine,
  build: (g: GraphBuilder) => string,
  at: Matrices,
  by: readonly string[],
): Promise<{ value: number; gradients: Record<string, number[]> }> {
  const g = new GraphBuilder('loss')
  const feeds = Object.fromEntries(Object.entries(at).map(([name, rows]) => [name, tensorOf(rows)]))
  for (const [name, { dims }] of Object.entries(feeds)) g.input(name, { type: 'float32', shape: dims })
  const loss = build(g)
  assert.deepEqual(g.shape(loss), [])
  const found = differentiate(g, new Map([[loss, g.float(1)]]), by)
  g.output('value', g.op('Identity', [loss]))
  for (const [name, value] of found) g.output(`gradient of ${name}`, g.op('Identity', [value]))
  const results = await runOnce(engine, g.model(), feeds)
  return {
    value: Number(results.value?.data[0]),
    gradients: Object.fromEntries(
      by.map((name) => [name, Array.from((results[`gradient of ${name}`]?.data ?? []) as Float32Array)]),
    ),
  }
}

/**
 * The engine's value and gradients are those of the formula; its gradients are taken by central differences in double precision. What
 * the loss holds (a bandwidth, a plan) the formula takes from where it is, not from the place that is moved.
 */
export async function equalsFormula(
  engine: Engine,
  where: string,
  build: (g: GraphBuilder) => string,
  formula: (at: Matrices) => number,
  at: Matrices,
  by: readonly string[],
  tolerance = 2e-3,
): Promise<void> {
  const { value, gradients } = await valueAndGradients(engine, build, at, by)
  const expected = formula(at)
  assertClose([value], [expected], `${where}: value`, 1e-4, 1e-5)
  for (const name of by) {
    const numeric = differences(formula, at, name)
    const size = Math.max(...numeric.map(Math.abs))
    assert.ok(size > 1e-6, `${where}: the gradient by ${name} is zero, which proves nothing`)
    assertClose(gradients[name], numeric, `${where}: gradient by ${name}`, tolerance, tolerance * size)
  }
}

const STEP = 1e-5

function differences(formula: (at: Matrices) => number, at: Matrices, name: string): number[] {
  const rows = at[name]!
  return rows.flatMap((row, i) =>
    row.map((_, j) => {
      const moved = (by: number) => ({
        ...at,
        [name]: rows.map((own, k) => (k === i ? own.map((v, l) => (l === j ? v + by : v)) : own)),
      })
      return (formula(moved(STEP)) - formula(moved(-STEP))) / (2 * STEP)
    }),
  )
}
