/** Every option of `graft adapt`, `graft shift` and `graft drift`, and of the functions of these names. */
import { z } from 'zod'
import { trainSchema } from '../training/trainOptions.js'

const { shape } = trainSchema
const data = { group: 'Data and output' }
const choice = { group: 'Adaptation' }
const training = { group: 'Training' }
const budget = { group: 'Time' }

export const SETTINGS = ['closed', 'partial', 'open'] as const
export const FRONTIERS = ['features', 'blocks', 'all'] as const

/** How samples are read and which backbone sees them: the same for every verb here and for `graft generalise`. */
export const reading = {
  task: shape.task,
  strict: shape.strict,
  text: shape.text,
  label: shape.label,
  pair: shape.pair,
  splitColumn: shape.splitColumn,
  encoding: shape.encoding,
  subset: shape.subset,
}
export const network = {
  backbone: shape.backbone,
  mean: shape.mean,
  std: shape.std,
  size: shape.size,
  maxLength: shape.maxLength,
  pooling: shape.pooling,
  features: shape.features,
}

export const adaptSchema = z.strictObject({
  source: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .meta({
      description:
        'labelled photos or texts, laid out as for `graft train`; given several times for several sources. Left out where --model adapts a saved model by the target alone',
      placeholder: 'DATA',
      repeatable: true,
      ...data,
    }),
  target: z
    .string()
    .min(1)
    .meta({
      description:
        'photos or texts from where the model will be used. They are read without labels, whatever folders or columns they have',
      placeholder: 'DATA',
      ...data,
    }),
  out: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'folder for the model, the report and the run file; <TARGET>-adapted where it is not given',
      placeholder: 'DIR',
      ...data,
    }),
  evaluate: z
    .boolean()
    .default(false)
    .meta({
      description:
        "score the result by the target's labels, which are looked at after everything is chosen and decide nothing",
      ...data,
    }),
  targetLabels: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        'labels of a few target samples: a CSV with the columns path and label for photos, a table for texts, or a folder per class of some of the same samples',
      placeholder: 'DATA',
      ...data,
    }),
  labelUse: z
    .enum(['score', 'train'])
    .default('score')
    .meta({
      description:
        'with --target-labels: score tells by them how many answers are right, with an interval; train learns from them too, after which they can tell nothing',
      ...data,
    }),
  overwrite: shape.overwrite,
  ...reading,
  method: z
    .string()
    .min(1)
    .default('auto')
    .meta({
      description:
        'auto tries several and chooses without labels; else one by name or several with commas between them, with options in brackets, such as mcc(weight=0.5). The model trained on the source alone is always kept where nothing is credibly better',
      placeholder: 'NAME',
      ...choice,
    }),
  setting: z
    .enum(SETTINGS)
    .default('closed')
    .meta({
      description:
        'closed: the target has the classes of the source; partial: only some of them; open: others besides, which the model is to call unknown',
      ...choice,
    }),
  train: z
    .enum(FRONTIERS)
    .default('features')
    .meta({
      description:
        'what trains: a small head on cached features (seconds), the last blocks of the backbone, or all of it',
      ...choice,
    }),
  unfreeze: z
    .int()
    .min(1)
    .default(2)
    .meta({ description: 'with --train blocks: how many of the last blocks train', ...choice }),
  model: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        'a model folder that `graft train` or `graft adapt` wrote: it is adapted by the target alone, without its source, by shot or nrc',
      placeholder: 'DIR',
      ...choice,
    }),
  seed: shape.seed,
  ...network,
  hidden: z
    .int()
    .min(1)
    .max(4096)
    .default(256)
    .meta({ description: 'width of the small head on cached features', ...training }),
  epochs: z
    .int()
    .min(1)
    .optional()
    .meta({
      description:
        'passes over the larger domain; on cached features 30, and fewer (to 10) with more than 1,500 samples; 5 for photos and 3 for texts where the network trains',
      ...training,
    }),
  batch: z
    .int()
    .min(2)
    .max(4096)
    .optional()
    .meta({
      description:
        'samples of each domain in a step; on cached features 64, and up to 256 with more than 2,000 samples; 16 where the network trains',
      ...training,
    }),
  lr: z
    .number()
    .positive()
    .optional()
    .meta({
      description: 'highest learning rate; what suits what trains, where it is not given',
      placeholder: 'RATE',
      ...training,
    }),
  threads: shape.threads,
  memory: z
    .string()
    .min(1)
    .default('auto')
    .meta({
      description: 'how large the process may become while the network trains, such as 2GB',
      placeholder: 'SIZE',
      ...budget,
    }),
  report: shape.report,
})

export type AdaptInput = z.input<typeof adaptSchema>
export type AdaptOptions = z.output<typeof adaptSchema>

export const shiftSchema = z.strictObject({
  source: z.string().min(1).meta({
    description: 'photos or texts, labelled where they are laid out as for `graft train`',
    positional: 'A',
  }),
  target: z
    .string()
    .min(1)
    .meta({ description: 'photos or texts to compare them with; read without labels', positional: 'B' }),
  out: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'file for the page with pictures and maps', placeholder: 'FILE', ...data }),
  overwrite: z
    .boolean()
    .default(false)
    .meta({ description: 'replace a page that is already there', ...data }),
  ...reading,
  ...network,
  permutations: z
    .int()
    .min(20)
    .default(200)
    .meta({ description: 'random divisions that the tests compare with; the smallest p-value is 1 / (N + 1)' }),
  seed: shape.seed,
  threads: shape.threads,
})

export type ShiftInput = z.input<typeof shiftSchema>
export type ShiftOptions = z.output<typeof shiftSchema>

export const driftSchema = z.strictObject({
  model: z
    .string()
    .min(1)
    .meta({ description: 'a model folder that `graft train` or `graft adapt` wrote', positional: 'MODEL' }),
  data: z.string().min(1).meta({ description: 'new photos or texts; read without labels', positional: 'DATA' }),
  out: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'file for a page with pictures of what is unlike the training data',
      placeholder: 'FILE',
      ...data,
    }),
  overwrite: z
    .boolean()
    .default(false)
    .meta({ description: 'replace a page that is already there', ...data }),
  task: reading.task,
  strict: shape.strict,
  text: shape.text,
  pair: shape.pair,
  encoding: shape.encoding,
  alpha: z
    .number()
    .positive()
    .lt(1)
    .default(0.05)
    .meta({ description: 'share of harmless data for which an alarm may be raised, over all tests together' }),
  top: z
    .int()
    .min(0)
    .default(20)
    .meta({ description: 'how many of the samples that are least like the training data are named' }),
  seed: shape.seed,
  threads: shape.threads,
})

export type DriftInput = z.input<typeof driftSchema>
export type DriftOptions = z.output<typeof driftSchema>
