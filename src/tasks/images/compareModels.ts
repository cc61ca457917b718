/** Two networks with the same classes on the same photos: accuracy of each and how far their probabilities lie apart. */
import { type ImageItem, images } from '../../data/images.js'
import type { ImageDataset, ImageSample } from '../../data/types.js'
import type { Model } from '../../graph/graph.js'
import type { ModelFolderContents } from '../../models/modelFolder.js'
import type { ModelOptions } from '../trainedModel.js'
import { imageModel } from './model.js'

export interface ModelComparison {
  /** Samples that were compared on. */
  readonly photos: number
  /** What these are. @default photos */
  readonly unit?: 'photos' | 'texts'
  /** What `accuracy` holds. @default accuracy, the share of the samples whose most probable class is their label */
  readonly measure?: string
  /** Of the model as it was, and of the smaller one. */
  readonly accuracy: { readonly before: number; readonly after: number }
  /** Share of the samples for which both give the same answer. */
  readonly agreement: number
  /** Of a probability (or of a number), over all samples and classes. */
  readonly largestDifference: number
}

/** Which photos to compare on, and what to say of the choice. */
export interface ComparisonData {
  readonly samples: readonly ImageSample[]
  readonly origin: string
  readonly notes: readonly string[]
}

/**
 * The photos of the test split where the data has one, and all of them where it does not.
 *
 */
export async function comparisonData(
  labels: readonly string[],
  data: string | ImageDataset | readonly (ImageItem | string)[],
  signal: AbortSignal | undefined,
): Promise<ComparisonData> {
  const opened =
    typeof data === 'string' || Array.isArray(data)
      ? await images(data as string | readonly (ImageItem | string)[], { classes: labels, signal })
      : (data as ImageDataset)
  const tests = opened.samples.filter(({ split }) => split === 'test')
  const samples = tests.length > 0 ? tests : opened.samples
  const origin = opened.origin ?? 'the list'
  return {
    samples,
    origin,
    notes:
      tests.length > 0 ? [] : [`${origin} names no test photos: all were used, those that were trained on among them`],
  }
}

export async function compareModels(
  contents: ModelFolderContents,
  other: Model,
  samples: readonly ImageSample[],
  options: ModelOptions & { readonly signal?: AbortSignal | undefined },
): Promise<ModelComparison> {
  const before = await probabilities(contents, samples, options)
  const after = await probabilities({ ...contents, model: other }, samples, options)
  const { labels } = contents
  let photos = 0
  let agreeing = 0
  let largestDifference = 0
  const right = { before: 0, after: 0 }
  for (const [i, { label }] of samples.entries()) {
    const a = before[i]
    const b = after[i]
    if (!a || !b) continue
    photos++
    const [first, second] = [best(a, labels), best(b, labels)]
    if (first === second) agreeing++
    if (first === label) right.before++
    if (second === label) right.after++
    for (const name of labels)
      largestDifference = Math.max(largestDifference, Math.abs((a.get(name) ?? 0) - (b.get(name) ?? 0)))
  }
  const share = (count: number) => (photos === 0 ? Number.NaN : count / photos)
  return {
    photos,
    accuracy: { before: share(right.before), after: share(right.after) },
    agreement: share(agreeing),
    largestDifference,
  }
}

type Scores = ReadonlyMap<string, number>

/** Undefined for a photo that cannot be read. */
async function probabilities(
  contents: ModelFolderContents,
  samples: readonly ImageSample[],
  { signal, ...options }: ModelOptions & { readonly signal?: AbortSignal | undefined },
): Promise<(Scores | undefined)[]> {
  const model = imageModel(contents, options)
  try {
    const found: (Scores | undefined)[] = []
    for await (const result of model.predictAll(samples, { signal }))
      found.push('error' in result ? undefined : new Map(result.predictions.map(({ label, score }) => [label, score])))
    return found
  } finally {
    await model.close()
  }
}

function best(scores: Scores, labels: readonly string[]): number {
  let top = 0
  for (const [i, label] of labels.entries())
    if ((scores.get(label) ?? 0) > (scores.get(labels[top] ?? '') ?? 0)) top = i
  return top
}
