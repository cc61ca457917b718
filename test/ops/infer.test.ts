/** What the table says of outputs, types and constants against what onnxruntime computes. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { StaticType } from '#graft/graph/graph.js'
import { sizeOf, type Tensor, toNumbers } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { rows } from '#graft/ops/table.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'
import { assertClose, runOnce } from '../support/compare.js'
import { append, isExpanded, original } from './cases/append.js'
import { drawn, type OperatorCase } from './cases/case.js'
import { cases, WITHOUT_CASES } from './cases/index.js'

/** The case as a program, all but its constants fed; the values and the types that the table infers. */
function program(operatorCase: OperatorCase): {
  g: GraphBuilder
  feeds: Record<string, HostTensor>
  types: StaticType[]
} {
  const g = new GraphBuilder('forward')
  const { vary, feeds } = drawn(operatorCase)
  const fed = { ...vary, ...feeds }
  for (const [name, tensor] of Object.entries(fed)) g.input(name, { type: tensor.type, shape: tensor.dims })
  const values = append(g, operatorCase)
  values.forEach((value, i) => {
    g.output(`output ${i}`, value)
  })
  return { g, feeds: fed, types: values.map((value) => g.typeOf(value)) }
}

/** The outputs as the builder folds them when every input is known; undefined where it leaves the node to the runtime. */
function folded(operatorCase: OperatorCase): (Tensor | undefined)[] {
  const g = new GraphBuilder('folded')
  const { names, vary, feeds, constants } = drawn(operatorCase)
  const known = { ...constants, ...vary, ...feeds } as Record<string, Tensor>
  for (const [name, tensor] of Object.entries(known)) g.namedConstant(name, tensor)
  const values = g.multi(operatorCase.opType, names, operatorCase.attributes, operatorCase.outputs, {
    domain: operatorCase.domain,
  })
  return values.map((value) => (g.isConstant(value) ? g.valueOf(value) : undefined))
}

/** What the outputs must be: as the case says, or as onnxruntime computes an operator that Graft writes as others. */
async function referenceOf(
  engine: Engine,
  operatorCase: OperatorCase,
  feeds: Readonly<Record<string, HostTensor>>,
  types: readonly StaticType[],
): Promise<readonly (ArrayLike<number | bigint> | undefined)[]> {
  if (operatorCase.expected) return operatorCase.expected
  if (!isExpanded(operatorCase)) return []
  const results = await runOnce(engine, original(operatorCase, types), feeds)
  return types.map((_, i) => (results[`original ${i}`] as HostTensor).data as Float32Array)
}

describe('operators: shapes, types and constants', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const { domain, opType, operator } of rows()) {
    const name = `${domain === '' ? '' : `${domain}.`}${opType}`
    if (WITHOUT_CASES.has(name)) continue
    const own = cases.filter((c) => c.domain === domain && c.opType === opType)
    it(`${name}: as onnxruntime computes them`, async () => {
      assert.ok(own.length > 0, `${name} has no cases`)
      let constants = 0
      for (const operatorCase of own) {
        const { g, feeds, types } = program(operatorCase)
        const known = isExpanded(operatorCase) ? [] : folded(operatorCase)
        const loaded = await engine.load({ model: g.model(), state: [] })
        const results = await loaded.run(feeds)
        await loaded.release()
        const reference = await referenceOf(engine, operatorCase, feeds, types)
        types.forEach((type, i) => {
          const found = results[`output ${i}`] as HostTensor
          const where = `${operatorCase.label}, output ${i}`
          assert.equal(type.type, found.type, `${where}: type`)
          assert.deepEqual([...type.shape], [...found.dims], `${where}: shape`)
          if (reference[i]) assertClose(found.data as Float32Array, reference[i], where, 2e-5, 2e-5)
          const constant = known[i]
          if (!constant) return
          constants++
          assert.equal(constant.type, found.type, `${where}: folded type`)
          assert.deepEqual([...constant.dims], [...found.dims], `${where}: folded shape`)
          same(toNumbers(constant), Array.from(found.data, Number), where)
        })
      }
      assert.equal(
        constants > 0,
        operator.fold !== undefined,
        `${name}: constants are folded exactly where the row says how`,
      )
    })
  }

  it('leaves large constants to the runtime', () => {
    const g = new GraphBuilder('large')
    const large = g.namedConstant('large', { type: 'float32', dims: [2 ** 17], data: new Float32Array(2 ** 17) })
    const made = g.op('Add', [large, g.float(1)])
    assert.equal(g.isConstant(made), false)
    assert.equal(sizeOf(g.shape(made)), 2 ** 17)
  })
})

/** Equal to float32 rounding, which differs because constants are folded in float64. */
function same(found: readonly number[], expected: readonly number[], where: string): void {
  assert.equal(found.length, expected.length, where)
  found.forEach((value, i) => {
    const other = expected[i] as number
    const near = Object.is(value, other) || value === other || Math.abs(value - other) <= 1e-5 * Math.abs(other) + 1e-7
    assert.ok(near, `${where}: element ${i} is folded to ${value}; onnxruntime computes ${other}`)
  })
}
