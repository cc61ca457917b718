/** The methods that add to a training, made from their names and options for the run at hand. */
import { GraftError, UsageError } from '../../../base/errors.js'
import type { Targets } from '../../../data/targets.js'
import type { Model } from '../../../graph/graph.js'
import { sizeOf } from '../../../graph/tensor.js'
import { HEAD_BIAS, HEAD_WEIGHT } from '../../../models/attach.js'
import { floats, type HostTensor } from '../../../runtime/types.js'
import type { TuningMethod, Weights } from '../../../techniques/fineTuning/method.js'
import { biTuning } from '../../../techniques/fineTuning/methods/biTuning.js'
import { coTuning } from '../../../techniques/fineTuning/methods/coTuning.js'
import { delta } from '../../../techniques/fineTuning/methods/delta.js'
import { distillation } from '../../../techniques/fineTuning/methods/distillation.js'
import { elasticWeights } from '../../../techniques/fineTuning/methods/elasticWeights.js'
import { fisherInformation } from '../../../techniques/fineTuning/methods/fisher.js'
import { l2sp } from '../../../techniques/fineTuning/methods/l2sp.js'
import { sharpnessAware } from '../../../techniques/fineTuning/methods/sharpness.js'
import { spectralShrinkage } from '../../../techniques/fineTuning/methods/spectralShrinkage.js'
import { stochasticNorm } from '../../../techniques/fineTuning/methods/stochasticNorm.js'
import { wiseFt } from '../../../techniques/fineTuning/methods/wiseFt.js'
import { withoutForgetting } from '../../../techniques/fineTuning/methods/withoutForgetting.js'
import type { TuningJob } from '../jobs.js'
import { wholeNetwork } from '../trunk.js'
import { outputNames, type Workspace } from '../workspace.js'
import type { ChosenMethod } from './table.js'

/** @throws UsageError or GraftError where one cannot be had for this backbone or these targets */
export async function additionsFor(
  work: Workspace,
  job: TuningJob,
  chosen: readonly ChosenMethod[],
): Promise<TuningMethod[]> {
  const made: TuningMethod[] = []
  for (const method of chosen) made.push(await additionFor(work, job, method))
  return made
}

/** An addition that needs to know nothing but its options; undefined for any other. */
export function plainAddition({ name, options }: Pick<ChosenMethod, 'name' | 'options'>): TuningMethod | undefined {
  switch (name) {
    case 'l2-sp':
      return l2sp(options)
    case 'delta':
      return delta(options)
    case 'bss':
      return spectralShrinkage(options)
    case 'co-tuning':
      return coTuning(options)
    case 'bi-tuning':
      return biTuning(options)
    case 'stochastic-norm':
      return stochasticNorm(options)
    case 'sam':
      return sharpnessAware(options)
    case 'wise-ft': {
      const { candidates, ...rest } = options
      return wiseFt({ ...rest, ...(Array.isArray(candidates) ? { candidates: candidates.map(Number) } : {}) })
    }
    default:
      return undefined
  }
}

async function additionFor(work: Workspace, job: TuningJob, method: ChosenMethod): Promise<TuningMethod> {
  const plain = plainAddition(method)
  if (plain !== undefined) return plain
  const { name, options } = method
  switch (name) {
    case 'distillation':
      return distillation({ ...options, teacher: await teacherFor(work, options.teacher) })
    case 'lwf':
      return withoutForgetting({ ...options, old: before(work).model, classes: oldClasses(work) })
    case 'ewc':
      return elasticWeightsFor(work, job, options)
    default:
      throw new UsageError(`${name} decides what trains; it adds nothing to a training.`)
  }
}

/** Another model that answers for the same classes. */
async function teacherFor(work: Workspace, spec: unknown): Promise<Model> {
  if (typeof spec !== 'string')
    throw new UsageError('distillation needs a teacher: a model folder or an .onnx file that knows the same classes.', {
      remedy: "Name it: --methods 'distillation(teacher=./large-model)'.",
    })
  const { backbone } = await work.modality.openTrunk(spec, work.options)
  const names = outputNames(work)
  if (backbone.labels?.join('\n') !== names.join('\n'))
    throw new GraftError(
      `The teacher ${spec} ${backbone.labels === undefined ? 'names no classes' : `knows the classes ${backbone.labels.slice(0, 6).join(', ')}`}; the data has ${names.slice(0, 6).join(', ')}, in this order.`,
      { remedy: 'Train the teacher on data with the same classes.' },
    )
  return backbone.model
}

/** The model that is trained further, with the classes that it knew. */
function before({ trunk, options }: Workspace): { model: Model; labels: readonly string[] } {
  const { model, labels, head } = trunk.backbone
  if (labels === undefined || head.kind === 'none')
    throw new GraftError(
      `${options.backbone} has no classes of its own that could be forgotten, so lwf and ewc have nothing to keep.`,
      { remedy: 'Name a model that was trained before as --backbone, or leave the method out.' },
    )
  return { model, labels }
}

/** Where each class that the model knew stands now. */
function oldClasses(work: Workspace): number[] {
  const { labels } = before(work)
  const names = outputNames(work)
  const places = labels.map((label) => names.indexOf(label))
  const missing = labels.filter((_, i) => places[i] === -1)
  if (missing.length > 0)
    throw new GraftError(
      `The model knew ${missing.slice(0, 5).join(', ')}, which the new model would not: an answer that it cannot give cannot be kept.`,
      { remedy: 'Keep the old classes with --keep-classes, or leave lwf out and hold the weights with ewc.' },
    )
  return places
}

/**
 * What mattered in the old head, where its rows are the first of the new one: rows of classes that were added mattered to
 * nothing, and are zeros. A head of other classes is free.
 */
function forHead(fisher: Weights, { network }: TuningJob, aligned: boolean): Weights {
  const padded: Record<string, HostTensor> = { ...fisher }
  for (const name of [HEAD_WEIGHT, HEAD_BIAS]) {
    const [known, wanted] = [fisher[name], network.model.graph.initializers.get(name)?.dims]
    if (known === undefined || wanted === undefined) continue
    if (!aligned || known.dims.slice(1).join() !== wanted.slice(1).join()) {
      delete padded[name]
      continue
    }
    const data = new Float32Array(sizeOf(wanted))
    data.set(known.data as Float32Array)
    padded[name] = floats([...wanted], data)
  }
  return padded
}

async function elasticWeightsFor(
  work: Workspace,
  job: TuningJob,
  { lambda, samples }: ChosenMethod['options'],
): Promise<TuningMethod> {
  const { model, labels } = before(work)
  const { engine, context, trunk, random } = work
  const network = wholeNetwork(trunk, model)
  const names = outputNames(work)
  const aligned = labels.every((label, i) => names[i] === label)
  // The old data are not here: labels are drawn from what the old model says of the new samples.
  const none: Targets = { kind: 'single-label', classes: labels, labels: new Int32Array(job.train.length) }
  const count = typeof samples === 'number' ? samples : 200
  const progress = context.progress('plan', Math.min(count, job.train.length), 'gradients')
  const fisher = await fisherInformation({
    engine,
    network: { ...network, logits: trunk.backbone.head.output },
    source: { ...job.train, targets: none },
    samples: count,
    labels: 'model',
    random: random.fork('fisher'),
    signal: context.signal,
    onProgress: (done) => progress.set(done),
  })
  return elasticWeights({ fisher: forHead(fisher, job, aligned), ...(typeof lambda === 'number' ? { lambda } : {}) })
}
