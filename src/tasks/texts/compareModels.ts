/** Two networks with the same outputs on the same texts: the main figure of each, and how far their answers lie apart. */
import { texts } from '../../data/text/texts.js'
import type { SampleTable, TextDataset, TextSample } from '../../data/text/types.js'
import { mainFigure } from '../../evaluate/figures.js'
import type { Model } from '../../graph/graph.js'
import type { ModelFolderContents } from '../../models/modelFolder.js'
import type { ModelComparison } from '../images/compareModels.js'
import type { ModelOptions, Prediction } from '../trainedModel.js'
import { type TextModel, textModel } from './model.js'

/** Texts whose answers are compared one by one, at most. */
const COMPARED = 500

export interface TextComparison extends ModelComparison {
  readonly origin: string
  readonly notes: readonly string[]
}

/** On the texts of the test part where the data has one, and all of them where it does not. */
export async function compareTextModels(
  contents: ModelFolderContents,
  other: Model,
  source: string,
  options: ModelOptions & { readonly signal?: AbortSignal | undefined },
): Promise<TextComparison> {
  const before = textModel(contents, options)
  const after = textModel({ ...contents, model: other }, options)
  try {
    const { target } = before
    const data = await texts(source, {
      target,
      ...(target === 'number' ? {} : { classes: contents.labels }),
      signal: options.signal,
    })
    const first = await before.evaluate(data, options)
    const second = await after.evaluate(data, options)
    const figures = [mainFigure(first), mainFigure(second)] as const
    return {
      photos: first.n,
      unit: 'texts',
      measure: figures[0].name,
      accuracy: { before: figures[0].value, after: figures[1].value },
      ...(await differences(before, after, part(data, first.split))),
      origin: source,
      notes:
        first.split === 'test'
          ? []
          : [`${source} names no test texts: all were used, those that were trained on among them`],
    }
  } finally {
    await before.close()
    await after.close()
  }
}

/** The first texts of the part that was measured on. */
function part({ samples }: TextDataset, split: string): TextSample[] {
  const chosen: TextSample[] = []
  for (const sample of samples) {
    if (chosen.length === COMPARED) break
    if (split === 'all' || sample.split === split) chosen.push(sample)
  }
  return chosen
}

async function differences(
  before: TextModel,
  after: TextModel,
  samples: SampleTable<TextSample>,
): Promise<Pick<ModelComparison, 'agreement' | 'largestDifference'>> {
  const others = after.predictAll(samples)
  let same = 0
  let all = 0
  let largestDifference = 0
  for await (const one of before.predictAll(samples)) {
    const { value: two } = await others.next()
    if (two === undefined || 'error' in one || 'error' in two) continue
    all++
    if (answer(one.predictions) === answer(two.predictions)) same++
    const scores = new Map<string, number>(two.predictions.map((p: Prediction) => [keyOf(p), p.score] as const))
    for (const prediction of one.predictions) {
      const score = scores.get(keyOf(prediction))
      if (score !== undefined) largestDifference = Math.max(largestDifference, Math.abs(prediction.score - score))
    }
  }
  return { agreement: all === 0 ? Number.NaN : same / all, largestDifference }
}

const keyOf = ({ label, start }: Prediction): string => `${label} ${start ?? ''}`

/** What is said: of classes the most probable, of labels those above one half, of words all of them. */
function answer(predictions: readonly Prediction[]): string {
  const [best] = predictions
  if (best?.start !== undefined) return predictions.map(keyOf).join()
  const likely = predictions.filter(({ score }) => score > 0.5)
  return likely.length > 1 ? likely.map(keyOf).sort().join() : (best?.label ?? '')
}
