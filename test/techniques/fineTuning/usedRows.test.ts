/** Training only the rows of a table that occur in the samples. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HostTensor } from '#graft/runtime/types.js'
import { elasticWeights } from '#graft/techniques/fineTuning/methods/elasticWeights.js'
import type { SampleSource } from '#graft/techniques/fineTuning/network.js'
import { commonOccurring, trainedRows } from '#graft/techniques/fineTuning/usedRows.js'
import { assertClose } from '../../support/compare.js'
import { textNetwork, textSource, texts, textTargets, VOCABULARY } from './toyText.js'
import { assertResumes, training } from './training.js'

/** The longer half of the vocabulary never occurs in the texts that are trained on; one more token does in the others. */
const ALL = texts(60).map((text) => text.map((token) => 1 + (token % 5)))
const HELD = texts(20, 9).map((text) => text.map((token) => 1 + (token % 6)))
const NETWORK = textNetwork(3, 'text')
const START = NETWORK.model.graph.initializers.get('embeddings')!
const WIDTH = START.dims[1]!

const saying = (all: readonly (readonly number[])[]): SampleSource => ({
  ...textSource(all, textTargets(all)['single-label']),
  occurring: { input_ids: () => Int32Array.from(new Set([0, ...all.flat()])) },
})
const SILENT: SampleSource = textSource(ALL, textTargets(ALL)['single-label'])
const rowsOf = (tensor: HostTensor, from: number, to: number) =>
  (tensor.data as Float32Array).subarray(from * WIDTH, to * WIDTH)
const settings = { epochs: 3, optimizer: 'adamw' as const, lr: 0.01, weightDecay: 0, clip: 0.5, ema: 0.5 }

describe('rows that occur', () => {
  it('train as in the whole table; the others stay as they were', async () => {
    const options = { network: NETWORK, settings, validation: saying(HELD) }
    const { outcome } = await training({ ...options, train: saying(ALL) })
    const { outcome: whole } = await training({ ...options, train: SILENT })
    assert.deepEqual(outcome.weights.embeddings!.dims, START.dims)
    for (const name of Object.keys(whole.weights))
      assertClose(outcome.weights[name]!.data, whole.weights[name]!.data, name, 1e-5, 1e-7)
    const [trained, before] = [outcome.weights.embeddings!, { ...START } as HostTensor]
    assert.notDeepEqual(rowsOf(trained, 1, 6), rowsOf(before, 1, 6))
    assert.deepEqual(rowsOf(trained, 7, VOCABULARY), rowsOf(before, 7, VOCABULARY))
  })

  it('alone are decayed', async () => {
    const options = { network: NETWORK, settings: { ...settings, weightDecay: 0.5 }, validation: saying(HELD) }
    const { outcome } = await training({ ...options, train: saying(ALL) })
    const { outcome: whole } = await training({ ...options, train: SILENT })
    const at = [7, VOCABULARY] as const
    assert.deepEqual(rowsOf(outcome.weights.embeddings!, ...at), rowsOf(START as HostTensor, ...at))
    assert.notDeepEqual(rowsOf(whole.weights.embeddings!, ...at), rowsOf(START as HostTensor, ...at))
  })

  it('are a smaller table while the training runs', () => {
    const asked = { network: NETWORK, train: saying(ALL), validation: saying(HELD), settings: {} }
    const found = trainedRows(asked)!
    assert.deepEqual(found.network.model.graph.initializers.get('embeddings')!.dims, [7, WIDTH])
    assert.equal(trainedRows({ ...asked, validation: SILENT }), undefined)
    assert.equal(trainedRows({ ...asked, train: SILENT, validation: undefined }), undefined)
  })

  it('resume in the same weights', async () => {
    await assertResumes(
      { network: NETWORK, train: saying(ALL), validation: saying(HELD), settings: { ...settings, epochs: 4 } },
      [3, 20],
    )
  })

  it('are not chosen where a method holds numbers for every weight', async () => {
    const fisher = Object.fromEntries(
      ['embeddings', 'w1'].map((name) => {
        const { dims, data } = NETWORK.model.graph.initializers.get(name)!
        return [name, { type: 'float32' as const, dims, data: new Float32Array((data as Float32Array).length).fill(1) }]
      }),
    )
    const { events } = await training({
      network: NETWORK,
      train: saying(ALL),
      validation: saying(HELD),
      settings: { ...settings, epochs: 1, methods: [elasticWeights({ fisher, lambda: 1 })] },
    })
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
    assert.ok(!warnings.some((message) => /embeddings/.test(message)), warnings.join('\n'))
  })

  it('of several sources are those of all, where all of them say', () => {
    const both = commonOccurring([saying(ALL), saying(HELD)])!
    assert.deepEqual([...both.input_ids!()].sort(), [0, 1, 2, 3, 4, 5, 6])
    assert.equal(commonOccurring([saying(ALL), SILENT]), undefined)
    assert.equal(commonOccurring([]), undefined)
  })
})
