/**
 * The ONNX project's operator tests in a folder, by hand: `node build/test/conformance.js [FOLDER] [--list] [PART OF A NAME]`.
 * Prints how many are read, run and differentiated rightly, and those that are not. Debian's libonnx-testdata has the tests
 * of opsets up to 17; the onnx package for Python writes those of newer ones.
 */
import { parseArgs } from 'node:util'
import { DEBIAN_TESTS, type NodeTestResult, nodeTests, runNodeTest } from './conformance/nodeTests.js'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { list: { type: 'boolean' } } })
const [folder = DEBIAN_TESTS, part = ''] = positionals
const results: NodeTestResult[] = []
for (const name of nodeTests(folder)) if (name.includes(part)) results.push(await runNodeTest(folder, name))

const tell = (title: string, chosen: readonly NodeTestResult[], list: boolean) => {
  console.log(`${title}: ${chosen.length}`)
  if (list) for (const { name, why } of chosen) console.log(`  ${name}: ${why.slice(0, 240)}`)
}
const list = values.list === true
const run = results.filter((r) => r.reference)
tell('tests', results, false)
tell('onnxruntime runs', run, false)
tell(
  '  forward equal',
  run.filter((r) => r.forward === 'passes'),
  false,
)
tell(
  '  forward differs',
  run.filter((r) => r.forward === 'differs'),
  true,
)
tell(
  '  refused',
  run.filter((r) => r.forward === 'refused'),
  list,
)
const others = results.filter((r) => !r.reference)
tell('onnxruntime does not run', others, false)
tell(
  '  forward equal',
  others.filter((r) => r.forward === 'passes'),
  false,
)
tell(
  '  forward differs',
  others.filter((r) => r.forward === 'differs'),
  list,
)
tell(
  'gradients: right',
  results.filter((r) => r.gradient === 'passes'),
  false,
)
tell(
  'gradients: differ',
  results.filter((r) => r.gradient === 'differs'),
  true,
)
tell(
  'gradients: refused',
  results.filter((r) => r.gradient === 'refused'),
  list,
)
