/** Every row of the operator table against central differences, and every "none" against differences that must be zero. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { GraftError } from '#graft/base/errors.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { isFloat } from '#graft/ops/operator.js'
import { rows } from '#graft/ops/table.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'
import { checkGradients } from '../support/gradients.js'
import { append } from './cases/append.js'
import { drawn, type OperatorCase } from './cases/case.js'
import { cases, WITHOUT_CASES } from './cases/index.js'

/** Fewest cases that a row with a rule must have. */
const FEWEST = 2

const varies = (operatorCase: OperatorCase) => operatorCase.inputs.some((input) => input.kind === 'vary')

describe('gradients of operators', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const { domain, opType, operator } of rows()) {
    const own = cases.filter((c) => c.domain === domain && c.opType === opType)
    const name = `${domain === '' ? '' : `${domain}.`}${opType}`
    const { gradient } = operator
    if (WITHOUT_CASES.has(name) && gradient.kind === 'expanded') continue

    if (gradient.kind === 'rule' || gradient.kind === 'expanded') {
      it(`${name}: the rule equals central differences`, async () => {
        const differentiated = own.filter(varies)
        assert.ok(
          differentiated.length >= FEWEST,
          `${name} has a rule and ${differentiated.length} cases; ${FEWEST} are the least`,
        )
        const varied = new Set<string>()
        const moved = new Set<string>()
        for (const operatorCase of differentiated) {
          const { vary, feeds } = drawn(operatorCase)
          for (const input of Object.keys(vary)) varied.add(input)
          const nonZero = await checkGradients(engine, {
            label: operatorCase.label,
            vary,
            feeds,
            build: (g) => append(g, operatorCase),
          })
          for (const input of nonZero) moved.add(input)
        }
        assert.deepEqual(
          [...moved].sort(),
          [...varied].sort(),
          `${name}: a gradient that is zero in every case proves nothing`,
        )
      })
      continue
    }

    it(`${name}: ${gradient.kind}, for a reason`, async () => {
      assert.ok(gradient.reason.length > 0)
      const differentiated = own.filter(varies)
      for (const operatorCase of differentiated) {
        const { vary, feeds } = drawn(operatorCase)
        if (gradient.kind === 'refuse') assert.throws(() => gradientFor(operatorCase), refusal(name, gradient.reason))
        // Where an output is a float, the differences must be zero, or the row hides a derivative.
        else if (givesFloats(operatorCase))
          assert.equal(
            (
              await checkGradients(engine, {
                label: operatorCase.label,
                vary,
                feeds,
                build: (g) => append(g, operatorCase),
              })
            ).size,
            0,
          )
      }
    })
  }

  it('has no case for an operator that is not in the table', () => {
    const known = new Set(rows().map(({ domain, opType }) => `${domain}.${opType}`))
    for (const { domain, opType } of cases) assert.ok(known.has(`${domain}.${opType}`), opType)
    for (const name of WITHOUT_CASES.keys()) assert.ok(known.has(name.includes('.') ? name : `.${name}`), name)
  })
})

const refusal = (name: string, reason: string) => (error: unknown) => {
  assert.ok(error instanceof GraftError, `${name} throws a GraftError`)
  assert.ok(error.message.includes(reason), error.message)
  assert.ok(error.remedy, 'with a remedy')
  return true
}

/** A case's node alone, with all that is fed as inputs. */
function alone(operatorCase: OperatorCase): { g: GraphBuilder; values: readonly string[]; vary: string[] } {
  const g = new GraphBuilder('alone')
  const { vary, feeds } = drawn(operatorCase)
  for (const [name, tensor] of Object.entries<HostTensor>({ ...vary, ...feeds }))
    g.input(name, { type: tensor.type, shape: tensor.dims })
  return { g, values: append(g, operatorCase), vary: Object.keys(vary) }
}

function givesFloats(operatorCase: OperatorCase): boolean {
  const { g, values } = alone(operatorCase)
  return values.some((value) => isFloat(g.typeOf(value).type))
}

/** Differentiates a case as if its first float output were the loss. */
function gradientFor(operatorCase: OperatorCase): void {
  const { g, values, vary } = alone(operatorCase)
  const output = values.find((value) => isFloat(g.typeOf(value).type)) as string
  const cotangent = g.input('cotangent', g.typeOf(output))
  differentiate(g, new Map([[output, cotangent]]), vary)
}
