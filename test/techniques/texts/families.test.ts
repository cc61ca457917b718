/** Every family of text networks trains: in buckets, with its own inputs, and only where it is meant to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Targets } from '#graft/data/targets.js'
import { chooseBuckets, tokenizeTexts } from '#graft/data/tokenBatches.js'
import { loadTokenizer } from '#graft/data/tokenizer.js'
import { attachHead, HEAD_BIAS, HEAD_WEIGHT, LOGITS } from '#graft/models/attach.js'
import { findBlocks } from '#graft/models/blocks.js'
import { listParameters } from '#graft/models/parameters.js'
import { textPoint } from '#graft/models/textBackbone.js'
import type { Network } from '#graft/techniques/fineTuning/network.js'
import { textNetworkInputs } from '#graft/techniques/texts/inputs.js'
import { textSource } from '#graft/techniques/texts/source.js'
import { FAMILIES, family } from '../../support/families.js'
import { training } from '../fineTuning/training.js'

/** Forty words, one token each, so that texts are what the small networks take. */
const tokenizer = loadTokenizer({
  tokenizer: JSON.stringify({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: { type: 'BertProcessing', cls: ['c', 2], sep: ['s', 1] },
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`w${i}`, i])),
      unk_token: 'w3',
    },
  }),
})
/** The first word tells the class; lengths differ. */
const samples = Array.from({ length: 24 }, (_, i) => ({
  id: `#${i}`,
  text: [
    `w${10 + (i % 2)}`,
    ...Array.from({ length: 1 + ((i * 5) % 11) }, (_, k) => `w${20 + ((i * 3 + k) % 15)}`),
  ].join(' '),
}))
const targets: Targets = {
  kind: 'single-label',
  classes: ['even', 'odd'],
  labels: Int32Array.from(samples, (_, i) => i % 2),
}

for (const name of FAMILIES)
  test(`${name} trains on texts of several lengths`, async () => {
    const backbone = family(name)
    const point = textPoint(backbone)
    const texts = await tokenizeTexts(samples, tokenizer, { maxLength: backbone.maxLength })
    const buckets = chooseBuckets(texts.lengths, backbone.maxLength, 2)
    assert.equal(buckets.length, 2)
    const blocks = findBlocks(backbone.model, point.features)
    const network: Network = {
      model: attachHead(backbone.model, point, { classes: 2 }),
      inputs: textNetworkInputs(backbone.inputs, buckets.at(-1)!),
      logits: LOGITS,
      layers: [...blocks.map((block) => [...block.parameters]), [HEAD_WEIGHT, HEAD_BIAS]],
    }
    const positions = Int32Array.from(samples, (_, i) => i)
    const source = textSource({ texts, targets, positions, inputs: backbone.inputs, buckets })
    const { outcome } = await training({
      network,
      train: source,
      validation: source,
      settings: { epochs: 12, batch: 8, lr: 0.02, optimizer: 'adamw', warmup: 0 },
    })
    const [first, last] = [outcome.history[0]!, outcome.history.at(-1)!]
    assert.ok(last.trainLoss < 0.8 * first.trainLoss, `the loss goes from ${first.trainLoss} to ${last.trainLoss}`)
    // The embeddings move: gradients reach the input.
    const stored = new Map(listParameters(network.model).map((p) => [p.value, p.tensor]))
    const table = blocks[0]!.parameters.find((value) => stored.get(value)?.dims[0] === 40)!
    const before = stored.get(table)!.data as Float32Array
    const after = outcome.weights[table]!.data as Float32Array
    assert.ok(after.some((v, i) => v !== before[i]))
  })
