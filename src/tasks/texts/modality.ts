/** Texts as the data of a training run. */
import { InternalError } from '../../base/errors.js'
import { Random } from '../../base/random.js'
import type { TextSample } from '../../data/text/types.js'
import { chooseBuckets, distinctIds, type TokenizedTexts, tokenizeTexts } from '../../data/tokenBatches.js'
import { LOGITS } from '../../models/attach.js'
import type { HostTensor } from '../../runtime/types.js'
import type { RunContext } from '../../techniques/run/run.js'
import { textSource } from '../../techniques/texts/source.js'
import type { Explained, Feed, FeedChoice, Modality } from '../training/modality.js'
import { CORRUPTIONS, corrupted } from './corruptions.js'
import { explainText } from './explain.js'
import { openExtractor } from './extractor.js'
import { folderOf, withHiddenStates } from './folder.js'
import { type PreparedTexts, prepareTexts, type TextSource } from './prepare.js'
import { forTargets, openTrunk, type TextTrunk } from './trunk.js'

/** What training transformers wants where nothing is said (Devlin et al. 2019; Mosbach et al. 2021). */
const DEFAULTS = {
  backbone: 'all-minilm-l6-v2',
  epochs: 3,
  optimizer: 'adamw',
  lr: 5e-5,
  weightDecay: 0.01,
  decay: 'matrices',
  lrSchedule: 'linear',
} as const

/** @param source a file, a folder, a list, or texts opened by `texts()` */
export function textModality(source: TextSource): Modality<TextTrunk, PreparedTexts> {
  return {
    kind: 'texts',
    stream: 'texts',
    nouns: { one: 'text', many: 'texts' },
    pairs: true,
    defaults: DEFAULTS,
    origin: typeof source === 'string' ? source : 'origin' in source ? source.origin : undefined,
    openTrunk,
    prepare: (options, context) => prepareTexts(source, options, context),
    withTargets: (data, targets) => ({ ...data, targets }),
    adapt: (trunk, { targets }) => forTargets(trunk, targets.kind),
    feed: textFeed,
    folder: folderOf,
    finish: withHiddenStates,
  }
}

/** Letters of a text in a report. */
const SHOWN = 600

async function textFeed(
  trunk: TextTrunk,
  data: PreparedTexts,
  { seed = 0 }: FeedChoice,
  context: RunContext,
): Promise<Feed> {
  const { backbone } = trunk
  const { tokenizer, maxLength } = backbone
  const { samples, targets, contents } = data
  const progress = context.progress('data', samples.length, 'texts tokenized')
  const texts = await tokenizeTexts(samples, tokenizer, {
    maxLength,
    signal: context.signal,
    onProgress: (count) => progress.advance(count),
  })
  const inputs = trunk.inputs.map(({ name }) => name)
  const buckets = chooseBuckets(texts.lengths, maxLength)
  const sampleAt = (position: number): TextSample => {
    const sample = samples.at(position)
    if (sample === undefined) throw new InternalError(`text ${position} of ${samples.length} was asked for`)
    return sample
  }
  return {
    source(positions, random, { corruption } = {}) {
      const read =
        corruption === undefined
          ? texts
          : altered(texts, positions, (position) =>
              corrupted(sampleAt(position), corruption.key, corruption.severity, random.fork(position)),
            )
      const lengths = corruption === undefined ? buckets : chooseBuckets(read.lengths, maxLength)
      return textSource({ texts: read, targets, positions, inputs, buckets: lengths })
    },
    openExtractor: (part) =>
      openExtractor({ texts, targets, contents, buckets, random: new Random(seed, 'words of texts') }, part),
    async example(position) {
      const { id, text, pair } = sampleAt(position)
      return { name: id, text: shown(pair === undefined ? text : `${text}\n${pair}`) }
    },
    words: (position) => sampleAt(position).words ?? [],
    async explain(asked, { model, engine, signal }) {
      const program = await engine.load({ model, state: [] })
      try {
        const run = async (feeds: Readonly<Record<string, HostTensor>>) =>
          (await program.run(feeds))[LOGITS] as HostTensor
        const explainer = { tokenizer, maxLength, inputs, kind: targets.kind, run, signal }
        const found: Explained[] = []
        for (const { position, output } of asked)
          found.push(clipped(await explainText(sampleAt(position), output, explainer)))
        return found
      } finally {
        await program.release()
      }
    },
    truncation: { texts: texts.length, cut: texts.truncated, maxLength, longest: texts.longest },
    corruptions: CORRUPTIONS,
  }
}

/** The same data with some texts changed. */
function altered(
  texts: TokenizedTexts,
  positions: Int32Array,
  change: (position: number) => TextSample,
): TokenizedTexts {
  const own = new Map(
    Array.from(positions, (position) => [position, texts.tokenizer.encode(change(position), texts.maxLength)] as const),
  )
  const lengths = texts.lengths.slice()
  for (const [position, tokens] of own) lengths[position] = tokens.ids.length
  const tokensOf = (index: number) => own.get(index) ?? texts.tokensOf(index)
  return { ...texts, lengths, tokensOf, usedIds: (wanted) => distinctIds(wanted, tokensOf, texts.tokenizer) }
}

function shown(text: string): string {
  const letters = [...text]
  return letters.length <= SHOWN ? text : `${letters.slice(0, SHOWN - 1).join('')}…`
}

/** As much of the pieces as a report shows. */
function clipped(pieces: Explained): Explained {
  const kept: { text: string; weight: number }[] = []
  let letters = 0
  for (const piece of pieces) {
    if (letters > SHOWN) return [...kept, { text: '…', weight: 0 }]
    kept.push(piece)
    letters += piece.text.length
  }
  return kept
}
