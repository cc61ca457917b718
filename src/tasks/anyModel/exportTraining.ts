/** The verb `export --training`: the programs that train a model, for onnxruntime in any language. */
import type { z } from 'zod'
import { fileStatus, makeDirectory, paths, removeFile, renameFile, writeFileAtomic } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import type { Model, ValueInfo } from '../../graph/graph.js'
import { softmaxCrossEntropy } from '../../losses/crossEntropy.js'
import { meanSquare } from '../../losses/meanSquare.js'
import { openModel } from '../../models/modelFile.js'
import { listParameters } from '../../models/parameters.js'
import { isFloat } from '../../ops/operator.js'
import { compileTraining, type TrainingProgram } from '../../optim/trainingProgram.js'
import { specialise } from '../../passes/specialise.js'
import { learningRate, makeOptimizer } from '../../techniques/fineTuning/settings.js'
import { parseOptions } from '../schema.js'
import { chooseShapes, type Shapes } from './draw.js'
import { exportSchema } from './options.js'
import { modelPath } from './source.js'
import { type TrainingDescription, trainingFiles } from './trainingFiles.js'

/** Options of `graft export --training`, with their defaults where they are left out. */
export type TrainingExportInput = Omit<
  z.input<typeof exportSchema>,
  'model' | 'dtype' | 'data' | 'training' | 'out'
> & {
  /** The folder to write to. */
  readonly out: string
}

interface TrainingExportOptions {
  readonly out: string
  /** cross-entropy: of softmax over the last of (N, C), with targets (N, C). mse: with targets in the output's shape. */
  readonly loss: 'cross-entropy' | 'mse'
  readonly output?: string | undefined
  readonly batch: number
  readonly accumulate: boolean
  readonly freeze: readonly string[]
  readonly shape: Shapes
  readonly optimizer: 'sgd' | 'adam' | 'adamw'
  readonly momentum: number
  readonly nesterov: boolean
  readonly weightDecay: number
  readonly lr?: number | undefined
  readonly clip: number
  readonly ema: number
  readonly batchNorm: 'frozen' | 'train'
}

export interface ExportedTraining {
  readonly out: string
  readonly files: readonly { readonly name: string; readonly bytes: number }[]
  readonly description: TrainingDescription
}

/** Names of the step's feeds. */
const TARGETS = 'graft.targets'
const WEIGHTS = 'graft.weights'
const GROUP = 'all'
/** PyTorch's default for batch norm. */
const BATCH_NORM_MOMENTUM = 0.1

const FORMULAS = {
  'cross-entropy': 'sum over n of weights[n] * -sum over c of targets[n, c] * log(softmax(output[n])[c])',
  mse: 'sum over n of weights[n] * mean over all else of (output[n] - targets[n])^2',
} as const

/**
 * Writes `step.onnx` (and `apply.onnx` where gradients are accumulated), `state.safetensors` and `training.json` to a folder
 * that is new, empty, or holds an earlier export.
 *
 * @throws GraftError where the model cannot be trained so, with the reason
 */
export async function exportTraining(model: string, input: TrainingExportInput): Promise<ExportedTraining> {
  const options = { ...parseOptions(exportSchema, { ...input, model, training: true }), out: input.out }
  await checkFolder(options.out)
  const path = await modelPath(model)
  const source = await openModel(path)
  const { program, output, batch } = compile(source.model, options)
  const { files, description } = trainingFiles({
    program,
    batch,
    model: { name: paths.base(path), sha256: await source.sha256() },
    loss: { name: options.loss, of: output, formula: FORMULAS[options.loss] },
    optimizer: {
      name: options.optimizer,
      ...(options.optimizer === 'sgd' ? { momentum: options.momentum, nesterov: options.nesterov } : {}),
      weightDecay: options.weightDecay,
      clip: options.clip,
      ema: options.ema,
    },
    rate: learningRate(options),
    roles: { [TARGETS]: 'targets', [WEIGHTS]: 'sample weights' },
  })
  await writeFolder(options.out, files)
  const size = (content: Uint8Array | string) => (typeof content === 'string' ? content.length : content.byteLength)
  return {
    out: options.out,
    description,
    files: Array.from(files, ([name, content]) => ({ name, bytes: size(content) })),
  }
}

/** The program, what its loss is taken of, and how many samples that has. */
function compile(
  model: Model,
  options: TrainingExportOptions,
): { program: TrainingProgram; output: string; batch: number } {
  const output = chosenOutput(model.graph.outputs, options.output)
  const shapes = chooseShapes(model, options.shape, {}, options.batch)
  const forward = specialise(model, {
    shapes,
    outputs: [output],
    batchNorm: options.batchNorm === 'train' ? { kind: 'train', momentum: BATCH_NORM_MOMENTUM } : { kind: 'fold' },
  })
  const value = forward.value(output)
  const shape = forward.builder.shape(value)
  if (options.loss === 'cross-entropy' ? shape.length !== 2 : shape.length === 0)
    throw new GraftError(
      `The output "${output}" has shape (${shape.join(', ')}); ${options.loss} expects ${options.loss === 'mse' ? 'a batch' : '(N, classes)'}.`,
      { remedy: 'Choose another --output or --loss.' },
    )
  const batch = shape[0] as number
  const trains = trainable(model, options.freeze)
  const program = compileTraining({
    forward,
    loss(g) {
      const targets = g.input(TARGETS, { type: 'float32', shape })
      const weights = g.input(WEIGHTS, { type: 'float32', shape: [batch] })
      const loss = options.loss === 'mse' ? meanSquare : softmaxCrossEntropy
      return { loss: loss(g, value, targets, weights) }
    },
    group: (parameter) => (trains.has(parameter) ? { name: GROUP } : undefined),
    optimizer: makeOptimizer(options),
    ...(options.clip > 0 ? { clipNorm: options.clip } : {}),
    ...(options.ema > 0 ? { ema: options.ema } : {}),
    accumulate: options.accumulate,
  })
  return { program, output, batch }
}

function chosenOutput(outputs: readonly ValueInfo[], asked: string | undefined): string {
  const floats = outputs.filter(({ type }) => isFloat(type)).map(({ name }) => name)
  const found = asked === undefined ? floats[0] : floats.find((name) => name === asked)
  if (found === undefined)
    throw new GraftError(
      asked === undefined ? 'The model has no float output.' : `The model has no float output "${asked}".`,
      { remedy: `Its float outputs: ${floats.join(', ') || 'none'}.` },
    )
  return found
}

/** The values that hold the parameters which train. @throws UsageError for a pattern that fits no parameter */
function trainable(model: Model, freeze: readonly string[]): Set<string> {
  const parameters = listParameters(model)
  const frozen = new Set<string>()
  for (const pattern of freeze) {
    const wanted = new RegExp(`^${pattern.split('*').map(escaped).join('.*')}$`, 's')
    const hit = parameters.filter(({ name, value }) => wanted.test(name) || wanted.test(value))
    if (hit.length === 0)
      throw new UsageError(`--freeze names "${pattern}", which is no parameter.`, {
        remedy: 'See their names with `graft inspect --all --json`.',
      })
    for (const { value } of hit) frozen.add(value)
  }
  const left = parameters.filter(({ value }) => !frozen.has(value)).map(({ value }) => value)
  if (left.length === 0)
    throw new GraftError(parameters.length === 0 ? 'The model has no parameters.' : 'Every parameter is frozen.', {
      remedy: 'See them with `graft inspect --all`.',
    })
  return new Set(left)
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

const NAMES = ['training.json', 'step.onnx', 'apply.onnx', 'state.safetensors']

/** Before the work, so that minutes of it do not end in an error. */
async function checkFolder(out: string): Promise<void> {
  const status = await fileStatus(out)
  if (status !== undefined && status.kind !== 'folder')
    throw new UsageError(`${out} is a file; training programs are written to a folder.`, {
      remedy: 'Choose another --out.',
    })
}

/** The description last: a folder that has one is whole. Of an earlier export nothing is left. */
async function writeFolder(out: string, files: ReadonlyMap<string, Uint8Array | string>): Promise<void> {
  await makeDirectory(out)
  const staging = paths.join(out, '.graft-new')
  await removeFile(staging)
  try {
    for (const [name, content] of files) await writeFileAtomic(paths.join(staging, name), content)
    for (const name of NAMES) await removeFile(paths.join(out, name))
    for (const name of files.keys()) await renameFile(paths.join(staging, name), paths.join(out, name))
  } finally {
    await removeFile(staging)
  }
}
