/** The ONNX project's operator tests, where Debian's package has put them. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { DEBIAN_TESTS, type NodeTestResult, nodeTests, runNodeTest } from './nodeTests.js'

const names = nodeTests(DEBIAN_TESTS)
const skip = names.length === 0 && 'the ONNX operator tests (Debian package libonnx-testdata) are not installed'

it("the ONNX project's operator tests: shapes, types, values and gradients", { skip }, async (t) => {
  const results: NodeTestResult[] = []
  for (const name of names) results.push(await runNodeTest(DEBIAN_TESTS, name))
  const run = results.filter((r) => r.reference)
  const equal = run.filter((r) => r.forward === 'passes').length
  const right = results.filter((r) => r.gradient === 'passes').length
  t.diagnostic(`onnxruntime runs ${run.length} of ${names.length}; ${equal} of these equal, ${right} gradients right`)
  const told = (chosen: readonly NodeTestResult[]) => chosen.map((r) => `${r.name}: ${r.why}`)
  assert.deepEqual(told(run.filter((r) => r.forward === 'differs')), [])
  assert.deepEqual(told(results.filter((r) => r.gradient === 'differs')), [])
  assert.ok(equal >= EQUAL * run.length, `${equal} of ${run.length}`)
  assert.ok(right >= RIGHT * run.length, `${right} gradients right`)
})

/** Shares of what onnxruntime runs. The rest works on text, or gives out as many results as the data says. */
const EQUAL = 0.9
const RIGHT = 0.6
