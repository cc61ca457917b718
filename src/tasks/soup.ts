/**
 * The verb `soup`: several models that were trained from one backbone for the same classes, averaged into one that costs no more
 * than any of them (Wortsman et al. 2022, arXiv:2203.05482).
 */
import type { z } from 'zod'
import { exists } from '#platform'
import { GraftError, UsageError } from '../base/errors.js'
import { mainFigure } from '../evaluate/figures.js'
import type { Tensor } from '../graph/tensor.js'
import { withTrained } from '../models/edit.js'
import {
  isModelFolder,
  type LoadedModelFolder,
  loadModelFolder,
  type ModelFolderContents,
} from '../models/modelFolder.js'
import type { HostTensor } from '../runtime/types.js'
import type { Weights } from '../techniques/fineTuning/method.js'
import { greedySoup, uniformSoup } from '../techniques/fineTuning/methods/soup.js'
import { type Model, modelOf } from './loadModel.js'
import type { soupSchema } from './options.js'
import type { LabelledData, ModelEvaluation } from './trainedModel.js'

export interface SoupOptions extends Pick<z.input<typeof soupSchema>, 'split' | 'threads' | 'batch'> {
  /** Held-out samples: with them the greedy soup is made, without them the mean of all. */
  readonly data?: LabelledData | undefined
  readonly signal?: AbortSignal | undefined
  /** A member, or a soup, was measured. */
  readonly onMeasured?: ((value: number, figure: string) => void) | undefined
}

export interface SoupResult {
  readonly model: Model
  /** Folders of the members that are in it, the best first where they were measured. */
  readonly members: readonly string[]
  /** On the held-out samples. */
  readonly evaluation: ModelEvaluation | undefined
}

/**
 * @param folders models that `graft train` saved
 * @throws UsageError for fewer than two; GraftError where they are not trainings of one network for the same classes
 */
export async function soup(folders: readonly string[], options: SoupOptions = {}): Promise<SoupResult> {
  if (folders.length < 2)
    throw new UsageError(`A soup is made of at least two models; found ${folders.length}.`, {
      remedy: 'Train several, with other seeds or rates, on data that names its own test part.',
    })
  const loaded: LoadedModelFolder[] = []
  for (const folder of folders) loaded.push(await loadModelFolder(folder))
  const [first, ...others] = loaded as [LoadedModelFolder, ...LoadedModelFolder[]]
  for (const other of others) checkAlike(first, other)
  const weights = loaded.map(weightsOf)
  const { data, signal, split, threads, batch } = options
  const made = (chosen: Weights, members: readonly number[], evaluation?: ModelEvaluation): Model =>
    modelOf(
      contentsOf(
        first,
        chosen,
        members.map((i) => folders[i]!),
        evaluation,
      ),
      { threads, batch },
    )
  if (data === undefined) {
    const all = folders.map((_, i) => i)
    return { model: made(uniformSoup(weights), all), members: folders, evaluation: undefined }
  }
  const measured = new Map<Weights, ModelEvaluation>()
  const evaluate = async (chosen: Weights) => {
    const model = made(chosen, [])
    try {
      const evaluation = await model.evaluate(data, { split, signal })
      measured.set(chosen, evaluation)
      const { name, value } = mainFigure(evaluation)
      options.onMeasured?.(value, name)
      const loss = evaluation.kind === 'classes' ? evaluation.logLoss : -value
      return { logits: { rows: 0, columns: 0, data: new Float32Array(0) }, score: { loss, value, figures: {} } }
    } finally {
      await model.close()
    }
  }
  const found = await greedySoup(weights, evaluate)
  const evaluation = measured.get(found.weights)
  return {
    model: made(found.weights, found.members, evaluation),
    members: found.members.map((i) => folders[i]!),
    evaluation,
  }
}

/** @throws UsageError where a soup may not be saved there */
export async function checkSoupFolder(out: string, overwrite: boolean): Promise<void> {
  if (!overwrite && (await exists(out)) && (await isModelFolder(out)))
    throw new UsageError(`${out} holds a model already.`, {
      remedy: 'Choose another folder with --out, or replace it with --overwrite.',
    })
}

function checkAlike(first: LoadedModelFolder, other: LoadedModelFolder): void {
  const refuse = (what: string) =>
    new GraftError(`${other.folder} and ${first.folder} ${what}; their mean would mean nothing.`, {
      remedy: 'Take trainings of the same backbone for the same classes.',
    })
  if (other.record.backbone.sha256 !== first.record.backbone.sha256) throw refuse('come from different backbones')
  if (other.labels.join('\n') !== first.labels.join('\n')) throw refuse('have different classes')
  const [a, b] = [first.model.graph.initializers, other.model.graph.initializers]
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [one, two] = [a.get(name), b.get(name)]
    if (one === undefined || two === undefined || one.type !== two.type || one.dims.join() !== two.dims.join())
      throw refuse(`differ in the weight "${name}"`)
    if (one.type !== 'float32' && !sameBytes(one, two)) throw refuse(`differ in "${name}", which is ${one.type}`)
  }
}

function sameBytes({ data: a }: Tensor, { data: b }: Tensor): boolean {
  const bytes = (data: Tensor['data']) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const [one, two] = [bytes(a), bytes(b)]
  return one.length === two.length && one.every((value, i) => value === two[i])
}

/** What is averaged: every weight in float32. */
function weightsOf({ model }: LoadedModelFolder): Weights {
  return Object.fromEntries(
    Array.from(model.graph.initializers).flatMap(([name, tensor]) =>
      tensor.type === 'float32' ? [[name, tensor as HostTensor] as const] : [],
    ),
  )
}

function contentsOf(
  first: LoadedModelFolder,
  weights: Weights,
  members: readonly string[],
  evaluation: ModelEvaluation | undefined,
): ModelFolderContents {
  const { format: _format, files: _files, ...record } = first.record
  const technique = `Model soup of ${members.length}`
  return {
    ...first,
    model: withTrained(first.model, new Map(Object.entries(weights) as [string, Tensor][])),
    readme: `# ${technique}\n\nThe mean of models trained from ${record.backbone.name} (Wortsman et al. 2022):\n${members.map((member) => `\n- ${member}`).join('')}\n`,
    record: {
      ...record,
      technique,
      members: [...members],
      metrics: evaluation === undefined ? {} : { ...evaluation },
    },
  }
}
