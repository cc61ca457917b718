/** The schemas of all verbs for photos. Flags, help, run files and docs are made from these. */
import { z } from 'zod'
import { adaptSchema, driftSchema, shiftSchema } from './adaptation/options.js'
import { compareSchema } from './compare/options.js'
import { generaliseSchema } from './generalisation/options.js'
import { trainSchema } from './training/trainOptions.js'

export { type TrainInput, type TrainOptions, trainSchema } from './training/trainOptions.js'

const threads = z.int().min(1).max(1024).optional().meta({ description: 'threads for the arithmetic' })
const strict = z
  .boolean()
  .default(false)
  .meta({ description: 'stop at the first photo or text that cannot be read, instead of skipping it' })
const modelFolder = (description: string) => z.string().min(1).meta({ description, positional: 'MODEL' })

export const predictSchema = z.strictObject({
  model: modelFolder('a model folder that `graft train` wrote, here or on the Hub (owner/name, owner/name@revision)'),
  photos: z.array(z.string()).min(1).meta({
    description:
      'photos: files, folders or patterns, - reads a photo or a list of files from standard input; texts: the text itself, or files of them (CSV, JSON, Parquet, a text a line), - reads a text a line',
    positional: 'INPUT...',
  }),
  top: z.int().min(1).default(1).meta({ description: 'how many classes to name for each photo or text' }),
  unknown: z.boolean().default(false).meta({
    description: 'call what is unlike the training data unknown; thresholds were calibrated at training',
  }),
  unknownRate: z.number().positive().lt(1).default(0.05).meta({
    description: 'with --unknown: share of samples like the training data that may be called unknown',
    placeholder: 'SHARE',
  }),
  unknownBy: z
    .enum(['mahalanobis', 'nearest-neighbours', 'energy', 'max-softmax'])
    .default('mahalanobis')
    .meta({ description: 'with --unknown: what tells strange samples' }),
  text: trainSchema.shape.text,
  pair: trainSchema.shape.pair,
  encoding: trainSchema.shape.encoding,
  batch: z.int().min(1).max(1024).default(16).meta({ description: 'photos or texts at a time' }),
  strict,
  threads,
})

export const evaluateSchema = z.strictObject({
  model: modelFolder('a model folder that `graft train` wrote, here or on the Hub (owner/name, owner/name@revision)'),
  data: z
    .string()
    .min(1)
    .meta({ description: 'labelled photos or texts, laid out as for `graft train`', positional: 'DATA' }),
  split: z.enum(['train', 'validation', 'test', 'all']).optional().meta({
    description: 'which part; that for the test where the data has one and all of it where it does not, if not given',
  }),
  text: trainSchema.shape.text,
  label: trainSchema.shape.label,
  tasks: z.array(z.string().min(1)).min(1).optional().meta({
    description:
      'of a model of several tasks: where their labels lie, as for `graft multitask`; the columns of the training where it is not given',
    placeholder: 'A,B',
  }),
  pair: trainSchema.shape.pair,
  splitColumn: trainSchema.shape.splitColumn,
  encoding: trainSchema.shape.encoding,
  subset: trainSchema.shape.subset,
  batch: z.int().min(1).max(1024).default(16).meta({ description: 'photos or texts at a time' }),
  strict,
  threads,
})

export const soupSchema = z.strictObject({
  models: z.array(z.string().min(1)).min(1).meta({
    description: 'two or more model folders, trained from one backbone for the same classes',
    positional: 'MODELS...',
  }),
  out: z.string().min(1).meta({ description: 'folder for the averaged model', placeholder: 'DIR' }),
  data: z.string().min(1).optional().meta({
    description:
      'labelled samples that took no part: members are taken in, from the best one down, while these do not get worse; without it all are averaged',
    placeholder: 'DATA',
  }),
  split: z.enum(['train', 'validation', 'test', 'all']).optional().meta({ description: 'which part of them' }),
  overwrite: trainSchema.shape.overwrite,
  batch: z.int().min(1).max(1024).default(16).meta({ description: 'samples at a time' }),
  threads,
})

export const rankSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .meta({ description: 'labelled photos or texts, laid out as for `graft train`', positional: 'DATA' }),
  backbones: z.array(z.string().min(1)).min(1).optional().meta({
    description: 'names (also of models on the Hub), folders or .onnx files; all bundled ones where it is not given',
  }),
  samples: z
    .int()
    .min(20)
    .default(500)
    .meta({ description: 'photos or texts to compare on, drawn evenly from the classes' }),
  seed: z.int().min(0).default(0).meta({ description: 'every random choice follows from it' }),
  task: trainSchema.shape.task,
  text: trainSchema.shape.text,
  label: trainSchema.shape.label,
  pair: trainSchema.shape.pair,
  splitColumn: trainSchema.shape.splitColumn,
  target: trainSchema.shape.target,
  classes: trainSchema.shape.classes,
  labelSeparator: trainSchema.shape.labelSeparator,
  normaliseLabels: trainSchema.shape.normaliseLabels,
  encoding: trainSchema.shape.encoding,
  subset: trainSchema.shape.subset,
  mean: trainSchema.shape.mean,
  std: trainSchema.shape.std,
  size: trainSchema.shape.size,
  maxLength: trainSchema.shape.maxLength,
  pooling: trainSchema.shape.pooling,
  strict,
  threads,
})

export const inspectSchema = z.strictObject({
  model: z.string().min(1).meta({
    description: 'an .onnx file, a model folder, a bundled backbone, or a model on the Hub (org/name)',
    positional: 'MODEL',
  }),
  features: trainSchema.shape.features,
  all: z.boolean().default(false).meta({ description: 'list every parameter' }),
})

export const resumeSchema = z.strictObject({
  out: z.string().min(1).meta({ description: 'the folder given to `graft train --out`', positional: 'OUT' }),
})

export const cacheSchema = z.strictObject({
  action: z.enum(['show', 'clear']).default('show').meta({
    description: 'show says where the caches lie and how large they are; clear empties that of features',
    positional: 'ACTION',
  }),
  hub: z.string().min(1).optional().meta({
    description: 'with clear: remove this model of the Hub from its cache instead, which other programs share',
    placeholder: 'ORG/NAME',
  }),
})

export const demoSchema = z.strictObject({
  out: z
    .string()
    .min(1)
    .default('my-model')
    .meta({ description: 'folder for the model and the report', placeholder: 'DIR' }),
  threads,
})

/** The verbs for photos by name, with one line each. */
export const VERBS = Object.freeze({
  train: { schema: trainSchema, summary: 'make a model from photos or texts' },
  predict: { schema: predictSchema, summary: 'classify photos or texts with a model' },
  evaluate: { schema: evaluateSchema, summary: 'measure a model on labelled photos or texts' },
  adapt: { schema: adaptSchema, summary: 'make a model for unlabelled data out of labelled data from elsewhere' },
  generalise: {
    schema: generaliseSchema,
    summary: 'make a model for places that are not known yet out of labelled data of several',
  },
  shift: { schema: shiftSchema, summary: 'measure how far two sets of photos or texts differ' },
  drift: { schema: driftSchema, summary: 'tell whether new data still look like what a model was trained on' },
  compare: { schema: compareSchema, summary: 'compare ways of training on your data' },
  soup: { schema: soupSchema, summary: 'average several models of one backbone into one' },
  rank: { schema: rankSchema, summary: 'compare backbones on your data' },
  inspect: { schema: inspectSchema, summary: 'show what is inside a model and what can train' },
  resume: { schema: resumeSchema, summary: 'go on with a run that was interrupted' },
  cache: { schema: cacheSchema, summary: 'show the caches, or empty them' },
  demo: { schema: demoSchema, summary: 'train on the example photos' },
})
