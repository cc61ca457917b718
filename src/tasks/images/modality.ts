/** Photos as the data of a training run. */
import { encodeThumbnail, toBase64 } from '#platform'
import { InternalError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { augmentPolicy } from '../../data/augment.js'
import { CORRUPTIONS, type Corruption, corrupt } from '../../data/corruptions.js'
import { loadBytes } from '../../data/load.js'
import type { Targets } from '../../data/targets.js'
import type { ImageDataset } from '../../data/types.js'
import type { Feed, FeedChoice, Modality, SourceOptions } from '../training/modality.js'
import { openExtractor } from './features.js'
import { photoSource } from './pixels.js'
import { type PreparedPhotos, prepareData } from './prepare.js'
import { type ImageTrunk, openTrunk } from './trunk.js'

/** What training photos wants where nothing is said. */
const DEFAULTS = {
  backbone: 'efficientnet-lite0',
  epochs: 5,
  optimizer: 'sgd',
  lr: undefined,
  weightDecay: 1e-4,
  decay: 'all',
  lrSchedule: 'cosine',
} as const

/** @param source a folder, a CSV, or photos opened by `images()` */
export function imageModality(source: string | ImageDataset): Modality<ImageTrunk, PreparedPhotos> {
  return {
    kind: 'images',
    stream: 'image classification',
    nouns: { one: 'photo', many: 'photos' },
    // Pairs were made for sentences; of photos nothing is known.
    pairs: false,
    defaults: DEFAULTS,
    origin: typeof source === 'string' ? source : source.origin,
    openTrunk,
    prepare: (options, context) => prepareData(source, options, context),
    withTargets: withLabels,
    feed: async (trunk, data, options) => imageFeed(trunk, data, options),
    folder: ({ backbone, transform }) => ({
      task: 'image-classification',
      config: backbone.config,
      preprocessor: backbone.preprocessor,
      inputSize: [transform.height, transform.width],
    }),
  }
}

function withLabels(data: PreparedPhotos, targets: Targets): PreparedPhotos {
  if (targets.kind !== 'single-label') throw new InternalError(`photos have one class each, not ${targets.kind}`)
  const { classes, labels } = targets
  const samples = data.dataset.samples.map((sample, i) => ({ ...sample, label: labels[i]! }))
  return { ...data, targets, dataset: { ...data.dataset, classes, samples } }
}

const THUMBNAIL_EDGE = 96

const NAMES: Readonly<Record<Corruption, string>> = {
  'gaussian-blur': 'Blur',
  'gaussian-noise': 'Noise',
  brightness: 'Brightness',
  jpeg: 'JPEG',
}

function imageFeed({ transform }: ImageTrunk, data: PreparedPhotos, { augment = 'off' }: FeedChoice): Feed {
  const { samples } = data.dataset
  return {
    source(positions, random, how = {}) {
      const chosen = Array.from(positions, (i) => samples[i]!)
      const wanted = how.augment === true ? augment : how.augment
      const policy = wanted ? augmentPolicy(wanted) : undefined
      return photoSource(
        chosen,
        data.dataset.classes,
        transform,
        random.fork('photos'),
        policy,
        alteration(how, random),
      )
    },
    openExtractor: (part) => openExtractor({ ...data, samples }, transform, part),
    async example(position) {
      const sample = samples[position]!
      const bytes = await encodeThumbnail(await loadBytes(sample), THUMBNAIL_EDGE)
      return { name: sample.id, thumbnail: `data:image/jpeg;base64,${toBase64(bytes)}` }
    },
    corruptions: CORRUPTIONS.map((key) => ({ key, name: NAMES[key] })),
  }
}

function alteration({ corruption }: SourceOptions, random: Random): Parameters<typeof photoSource>[5] {
  const kind = CORRUPTIONS.find((known) => known === corruption?.key)
  if (corruption === undefined || kind === undefined) return undefined
  return (image, own) => corrupt(image, kind, corruption.severity, own ?? random)
}
