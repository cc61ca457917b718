/**
 * The cases reach every lowering: each statement of the rules is executed by some case. V8 itself counts, so a lowering that
 * is added, or a threshold that moves out of the cases' reach, is noticed here.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { isFloat } from '#graft/ops/operator.js'
import { lookup } from '#graft/ops/table.js'
import { append } from './cases/append.js'
import { drawn, type OperatorCase } from './cases/case.js'
import { cases } from './cases/index.js'

/** Files of gradient rules whose every statement the cases must reach. */
const FILES = [
  'convolutionGradient',
  'convolution',
  'convTranspose',
  'deformable',
  'matmul',
  'normalization',
  'channelNormalization',
  'fusedNormalization',
  'fusedConvolution',
  'pooling',
  'unpooling',
  'regions',
  'reduction',
  'movement',
  'indexing',
  'accumulate',
  'scatter',
  'selection',
  'padding',
  'rearrange',
  'resize',
  'resizeWeights',
  'gridSample',
  'shapes',
  'elementwise',
  'activations',
  'attention/attend',
  'attention/rotary',
  'attention/standard',
  'attention/microsoft',
  'microsoftFused',
  'cumulative',
  'einsum',
  'determinant',
  'criteria',
  'spectral',
  'trigonometry',
  'emit',
  'window',
]
/** What only errors, reading, or defaults that the types ask for reach. */
const ELSEWHERE = /\b(fail|refuse|throw|explicitWindow|c\.emit)\b|^\(\) => 0|^\?\? |^\? 0$|^\(c\) => \[c\.g\.constant/

function differentiateCase(operatorCase: OperatorCase): void {
  const g = new GraphBuilder('covered')
  const { vary, feeds } = drawn(operatorCase)
  for (const [name, tensor] of Object.entries({ ...vary, ...feeds }))
    g.input(name, { type: tensor.type, shape: tensor.dims })
  const values = append(g, operatorCase).filter((value) => isFloat(g.typeOf(value).type))
  const seeds = new Map(values.map((value, i) => [value, g.input(`cotangent ${i}`, g.typeOf(value))]))
  const targets = Object.keys(vary)
  differentiate(g, seeds, targets)
  // Each input and each output alone: what is not asked for must not be missed by what is.
  for (const target of targets) differentiate(g, seeds, [target])
  if (seeds.size > 1)
    for (const [value, seed] of seeds) {
      differentiate(g, new Map([[value, seed]]), targets)
      differentiate(g, new Map([...seeds].filter(([other]) => other !== value)), targets)
    }
}

describe('gradient rules', () => {
  it('are reached by the cases, every statement of them', async () => {
    const session = new Session()
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
    for (const operatorCase of cases)
      if (['rule', 'expanded'].includes(lookup(operatorCase.domain, operatorCase.opType)?.gradient.kind ?? ''))
        differentiateCase(operatorCase)
    const { result } = await session.post('Profiler.takePreciseCoverage')
    await session.post('Profiler.stopPreciseCoverage')
    session.disconnect()
    for (const file of FILES) {
      const script = result.find(({ url }) => url.endsWith(`/ops/${file}.js`))
      assert.ok(script, `${file} was not loaded`)
      const source = readFileSync(fileURLToPath(script.url), 'utf8')
      // Folding constants is not differentiating: infer.test.ts sees to it.
      const folds = script.functions
        .filter(({ functionName }) => /fold/i.test(functionName))
        .flatMap(({ ranges }) => ranges.slice(0, 1))
      const missed = script.functions
        .flatMap(({ ranges }) => ranges)
        .filter(({ count }) => count === 0)
        .filter((r) => !folds.some((f) => f.startOffset <= r.startOffset && r.endOffset <= f.endOffset))
        .map(({ startOffset, endOffset }) => source.slice(startOffset, endOffset).trim())
        .filter((text) => text.length > 0 && text !== '}' && !ELSEWHERE.test(text))
      assert.deepEqual(missed, [], `${file}: no case reaches these statements`)
    }
  })
})
