/**
 * Puts a new classifier on a pretrained network and fits it on samples in memory: the network runs once a sample, the
 * classifier is fitted on its features. Needs no disk, so it runs in a web page too.
 */
import { type Matrix, matrix } from '../../base/matrix.js'
import { Random } from '../../base/random.js'
import type { Model } from '../../graph/graph.js'
import { type CutModel, cut, LOGITS } from '../../models/attach.js'
import { completePoint } from '../../models/featurePoint.js'
import { findHead } from '../../models/head.js'
import type { Engine } from '../../runtime/engine.js'
import { classifierModel } from '../featureExtraction/assemble.js'
import type { Classifier, FittedClassifier } from '../featureExtraction/classifier.js'
import { type ClassifierName, resolveClassifier } from '../featureExtraction/index.js'
import { checkEqual } from '../fineTuning/checkEqual.js'
import { throwIfAborted } from '../run/aborted.js'
import { type Run, type RunContext, startRun } from '../run/run.js'
import { type ComputeOptions, withEngine } from './engine.js'
import { checkSamples, onlyInput, part, type TensorSamples } from './samples.js'

export interface TrainHeadOptions extends ComputeOptions {
  /** The pretrained network: one input with a dynamic batch. Its old head is cut off where it has one. */
  readonly model: Model
  readonly train: TensorSamples
  readonly classes: number
  /** @default 'linear-probe', its penalty chosen by cross-validation */
  readonly classifier?: ClassifierName | Classifier | undefined
  /** The value that is used as features. @default what goes into the network's own head */
  readonly features?: string | undefined
  /** Samples that go through the network together. @default 16 */
  readonly batch?: number | undefined
}

export interface TrainedHead {
  /** From the network's input to `logits`, (N, C). */
  readonly model: Model
  /** The classifier by itself; `outOfFold` is its cross-validated accuracy where there were enough samples. */
  readonly classifier: FittedClassifier
  /** (N, D), of the training samples. */
  readonly features: Matrix
}

/**
 * Fits the classifier. The run can be awaited, iterated for its events and aborted.
 *
 * @throws GraftError where the samples do not fit the network or each other
 */
export function trainHead(options: TrainHeadOptions): Run<TrainedHead> {
  const { signal } = options
  return startRun((context) => withEngine(options, context.signal, (engine) => run(options, engine, context)), {
    signal,
  })
}

async function run(options: TrainHeadOptions, engine: Engine, context: RunContext): Promise<TrainedHead> {
  const { model, train, classes, batch = 16 } = options
  const classifier = resolveClassifier(options.classifier ?? 'linear-probe')
  const input = onlyInput(model)
  checkSamples(train, classes, 'training')
  const head = findHead(model, { features: options.features })
  const point = completePoint(model, head.features, { [input]: [1, ...train.inputs.dims.slice(1)] })
  const body = cut(model, point)

  context.phase('features', `computing the features of ${train.labels.length} samples`)
  const features = await extract(engine, body, input, train, batch, point.width, context)
  context.phase('probe', `fitting ${classifier.name}`)
  const progress = context.progress('probe', 100, '%')
  const fitted = await classifier.fit(features, Int32Array.from(train.labels), classes, {
    engine,
    random: new Random(options.seed ?? 0),
    signal: context.signal,
    onProgress: (done) => progress.set(Math.round(100 * done)),
  })
  const result = classifierModel(model, point, body, { ...fitted, outputs: fitted.classes })
  await check(engine, result, input, train, features, fitted)
  return { model: result, classifier: fitted, features }
}

async function extract(
  engine: Engine,
  body: CutModel,
  input: string,
  samples: TensorSamples,
  batch: number,
  width: number,
  context: RunContext,
): Promise<Matrix> {
  const n = samples.labels.length
  const features = matrix(n, width)
  const progress = context.progress('features', n, 'samples')
  const program = await engine.load({ model: body.model, state: [] })
  try {
    for (let start = 0; start < n; start += batch) {
      throwIfAborted(context.signal)
      const results = await program.run({ [input]: part(samples, start, batch) }, { handOver: true })
      features.data.set(results[body.output]?.data as Float32Array, start * width)
      progress.set(Math.min(n, start + batch))
    }
    return features
  } finally {
    await program.release()
  }
}

/** Samples on which the finished network is compared with the classifier. */
const CHECKED = 8

async function check(
  engine: Engine,
  model: Model,
  input: string,
  samples: TensorSamples,
  features: Matrix,
  fitted: FittedClassifier,
): Promise<void> {
  const feed = part(samples, 0, CHECKED)
  const rows = feed.dims[0] ?? 0
  const program = await engine.load({ model, state: [] })
  try {
    const results = await program.run({ [input]: feed })
    const found = matrix(rows, fitted.classes, results[LOGITS]?.data as Float32Array<ArrayBuffer>)
    checkEqual(found, fitted.logits(matrix(rows, features.columns, features.data.slice(0, rows * features.columns))))
  } finally {
    await program.release()
  }
}
