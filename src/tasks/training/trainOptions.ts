/** Every option of `graft train` and `transfer()`: names, bounds, defaults, descriptions. */
import { z } from 'zod'
import { SETFIT } from '../../techniques/fewShot/settings.js'
import { chooseMethods } from './methods/table.js'

const positive = () => z.number().positive()
const share = () => z.number().min(0).lt(1)
const count = () => z.int().min(1)
const channels = () => z.array(z.number()).length(3)

const input = { group: 'Data and output' }
const columns = { group: 'Columns and labels of texts' }
const model = { group: 'Backbone' }
const technique = { group: 'Technique' }
const features = { group: 'Feature extraction' }
const tuning = { group: 'Fine-tuning' }
const rates = { group: 'Optimizer and rates' }
const balance = { group: 'Loss and balance' }
const augmentation = { group: 'Augmentation' }
const budget = { group: 'Time and choice' }
const outputs = { group: 'Report and run' }

export const CLASSIFIERS = ['linear-probe', 'knn', 'nearest-mean', 'ridge', 'lda', 'mlp'] as const
export const TECHNIQUES = ['auto', 'feature-extraction', 'setfit', 'fine-tuning'] as const
export const TUNING_SCHEDULES = ['lp-ft', 'full', 'gradual'] as const
export const RATE_SCHEDULES = ['cosine', 'linear', 'constant', 'step', 'one-cycle'] as const

export const trainSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .meta({
      description:
        'photos: a folder per class, train/ val/ test/ folders of these, or a CSV with the columns path and label; texts: a CSV, JSON, JSON Lines, Parquet or CoNLL file, or a folder of .txt files per class',
      positional: 'DATA',
      ...input,
    }),
  out: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'folder for the model, the report and the run file; <DATA>-model where it is not given',
      placeholder: 'DIR',
      ...input,
    }),
  task: z
    .enum(['auto', 'images', 'texts'])
    .default('auto')
    .meta({ description: 'what the data holds; auto looks at it', ...input }),
  overwrite: z
    .boolean()
    .default(false)
    .meta({ description: 'replace a model that is already in that folder', ...input }),
  strict: z
    .boolean()
    .default(false)
    .meta({ description: 'refuse data with photos that cannot be used, instead of skipping these', ...input }),
  validation: z
    .union([z.literal('auto'), share()])
    .default('auto')
    .meta({
      description:
        'share of the training photos held out to choose by, where the data names no validation photos; auto holds out what the technique needs',
      placeholder: 'SHARE',
      ...input,
    }),
  test: z
    .union([z.literal('auto'), share()])
    .default('auto')
    .meta({
      description:
        'share of the photos held out to measure accuracy, where the data names no test photos; auto is 0.2, or cross-validation where there are few',
      placeholder: 'SHARE',
      ...input,
    }),

  text: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'column of the texts; found out where it is not given', placeholder: 'COLUMN', ...columns }),
  label: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'column of the labels, or several with commas between them; found out where it is not given',
      placeholder: 'COLUMN',
      ...columns,
    }),
  pair: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'column of the second text of a pair; found out where it is not given',
      placeholder: 'COLUMN',
      ...columns,
    }),
  splitColumn: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'column that says train, validation or test; found out where it is not given',
      placeholder: 'COLUMN',
      ...columns,
    }),
  target: z
    .enum(['auto', 'single-label', 'multi-label', 'ordinal', 'number', 'token-labels'])
    .default('auto')
    .meta({ description: 'what the labels of texts are; auto looks at them', ...columns }),
  classes: z
    .array(z.string().min(1))
    .min(2)
    .optional()
    .meta({ description: 'the classes of texts in their order, from low to high where they have one', ...columns }),
  labelSeparator: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'what stands between several labels of a text; found out where it is not given',
      ...columns,
    }),
  normaliseLabels: z
    .boolean()
    .default(false)
    .meta({ description: 'take labels that differ only by case or space for the same', ...columns }),
  separator: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'what separates the fields of a CSV file; found out where it is not given', ...columns }),
  encoding: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'how a text file writes letters, such as windows-1252; found out where it is not given',
      placeholder: 'NAME',
      ...columns,
    }),
  subset: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: "which part of a folder of Hugging Face's datasets, where it has several",
      placeholder: 'NAME',
      ...columns,
    }),

  backbone: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        'a bundled backbone, a model on the Hub (org/name or org/name@revision), a folder in its layout, or an .onnx file',
      placeholder: 'NAME',
      ...model,
    }),
  mean: channels()
    .optional()
    .meta({ description: 'mean of the pixels (0 to 1) for a bare .onnx file', ...model }),
  std: channels()
    .optional()
    .meta({ description: 'standard deviation of the pixels (0 to 1) for a bare .onnx file', ...model }),
  size: z
    .int()
    .min(8)
    .max(4096)
    .optional()
    .meta({ description: 'side of the input in pixels for a bare .onnx file', placeholder: 'PIXELS', ...model }),
  maxLength: z
    .int()
    .min(3)
    .optional()
    .meta({
      description:
        'tokens of a text that are read, special ones included; what the backbone says, 512 at most, where it is not given',
      placeholder: 'TOKENS',
      ...model,
    }),
  pooling: z
    .enum(['mean', 'cls', 'last'])
    .optional()
    .meta({
      description: 'how tokens become the features of a text; what the backbone says, else mean, where it is not given',
      ...model,
    }),
  features: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        'the graph value to take as features; found by structure where it is not given (see `graft inspect`)',
      placeholder: 'VALUE',
      ...model,
    }),

  keepClasses: z
    .boolean()
    .default(false)
    .meta({
      description:
        'train a model further with the classes that it knew, in their order, and those of the new data behind them; without it a new classifier is made for the classes of the data alone',
      ...model,
    }),

  technique: z
    .enum(TECHNIQUES)
    .default('auto')
    .meta({
      description:
        'auto looks at the data and the time, tries what fits and keeps the better; setfit trains on pairs, for a few labels',
      ...technique,
    }),
  seed: z
    .int()
    .min(0)
    .default(0)
    .meta({ description: 'every random choice follows from it', ...technique }),

  classifier: z
    .enum(CLASSIFIERS)
    .default('linear-probe')
    .meta({ description: 'what is fitted on the features of the frozen backbone', ...features }),
  unfreeze: z
    .int()
    .min(0)
    .default(0)
    .meta({
      description: 'train the last N blocks too; the frozen rest runs once a photo',
      ...features,
    }),

  rounds: count()
    .max(1000)
    .default(20)
    .meta({
      description:
        'pairs of each kind, like and unlike, for every sample that setfit trains on; auto takes fewer where there is no time for so many',
      placeholder: 'N',
      ...tuning,
    }),
  schedule: z
    .enum(TUNING_SCHEDULES)
    .default('lp-ft')
    .meta({
      description:
        'lp-ft fits the head first and then trains all; full starts at once; gradual unfreezes from the head down',
      ...tuning,
    }),
  methods: z
    .array(z.string().min(1))
    .default([])
    .meta({
      description:
        'what trains instead of every weight, and what is added to the training, by name and with options in brackets, such as lora(rank=8),l2-sp; see the guide for all of them',
      placeholder: 'A,B',
      ...tuning,
    }),
  epochs: count()
    .optional()
    .meta({
      description: 'passes over the training data; 5 for photos, 3 for texts and 1 for setfit where it is not given',
      ...tuning,
    }),
  batch: count()
    .max(4096)
    .default(16)
    .meta({ description: 'photos a step', ...tuning }),
  accumulate: count()
    .max(1024)
    .default(1)
    .meta({ description: 'batches whose gradients are added up for one step', ...tuning }),
  batchNorm: z
    .enum(['frozen', 'train'])
    .default('frozen')
    .meta({ description: 'keep the statistics of batch norms, or let them follow your photos', ...tuning }),
  ema: share()
    .default(0)
    .meta({
      description: 'decay of an exponential moving average of the weights, which is then used; 0 is off',
      placeholder: 'DECAY',
      ...tuning,
    }),
  patience: z
    .int()
    .min(0)
    .default(0)
    .meta({
      description:
        'stop after so many epochs without a better validation loss; 0 never stops early. The best epoch is kept either way',
      ...tuning,
    }),

  lr: positive()
    .optional()
    .meta({
      description:
        'highest learning rate; where it is not given 0.002 for sgd, 0.0001 for adam and adamw, 0.00005 for adamw on texts, and 0.00002 for setfit',
      placeholder: 'RATE',
      ...rates,
    }),
  findLr: z
    .boolean()
    .default(false)
    .meta({ description: 'find the learning rate by a range test first (Smith 2017)', ...rates }),
  optimizer: z
    .enum(['sgd', 'adam', 'adamw'])
    .optional()
    .meta({ description: 'sgd has momentum; sgd for photos and adamw for texts where it is not given', ...rates }),
  momentum: share()
    .default(0.9)
    .meta({ description: 'momentum of sgd', ...rates }),
  nesterov: z
    .boolean()
    .default(false)
    .meta({ description: 'Nesterov momentum', ...rates }),
  weightDecay: z
    .number()
    .min(0)
    .optional()
    .meta({
      description:
        'weight decay: an L2 penalty for sgd and adam, decoupled for adamw; 0.0001 for photos and 0.01 for texts where it is not given',
      ...rates,
    }),
  decay: z
    .enum(['all', 'matrices'])
    .optional()
    .meta({
      description:
        'what decays: everything, or matrices and kernels alone, which leaves biases and norms as they are; all for photos, matrices for texts where it is not given',
      ...rates,
    }),
  lrSchedule: z
    .enum(RATE_SCHEDULES)
    .optional()
    .meta({
      description: 'how the rate changes over the run; cosine for photos and linear for texts where it is not given',
      ...rates,
    }),
  warmup: share()
    .default(0.1)
    .meta({ description: 'share of the steps over which the rate rises', placeholder: 'SHARE', ...rates }),
  layerDecay: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .meta({
      description: 'each earlier block trains at this multiple of the rate of the next',
      placeholder: 'FACTOR',
      ...rates,
    }),
  clip: z
    .number()
    .min(0)
    .default(1)
    .meta({ description: 'largest global norm of the gradients; 0 is off', placeholder: 'NORM', ...rates }),

  labelSmoothing: share()
    .default(0)
    .meta({ description: 'share of each label spread over all classes', placeholder: 'SHARE', ...balance }),
  classWeights: z
    .boolean()
    .default(false)
    .meta({ description: 'weigh each class by the inverse of its count', ...balance }),
  balancedSampling: z
    .boolean()
    .default(false)
    .meta({ description: 'draw every class equally often', ...balance }),

  augment: z
    .enum(['light', 'off', 'strong'])
    .default('light')
    .meta({ description: 'light crops and flips; strong also changes colours and geometry', ...augmentation }),
  mixup: z
    .number()
    .min(0)
    .default(0)
    .meta({ description: 'mix pairs of photos, Beta(alpha, alpha); 0 is off', placeholder: 'ALPHA', ...augmentation }),
  cutmix: z
    .number()
    .min(0)
    .default(0)
    .meta({
      description: 'paste a part of one photo into another, Beta(alpha, alpha); 0 is off',
      placeholder: 'ALPHA',
      ...augmentation,
    }),

  minutes: z
    .union([z.literal('any'), positive()])
    .optional()
    .meta({
      description:
        'how long the run may take: auto and the number of epochs follow it; 30 for auto where it is not given, any otherwise',
      placeholder: 'N',
      ...budget,
    }),
  threads: count()
    .max(1024)
    .optional()
    .meta({
      description: 'threads for the arithmetic; the numbers depend on it a little, so it is recorded',
      ...budget,
    }),
  memory: z
    .string()
    .min(1)
    .default('auto')
    .meta({
      description:
        'how large the process may become while it trains, such as 800MB or 2GB; auto is what the machine has free. Where it is not enough, activations are computed twice, then batches divided; the result stays the same',
      placeholder: 'SIZE',
      ...budget,
    }),
  checkpointSeconds: z
    .number()
    .min(0)
    .default(30)
    .meta({ description: 'save a checkpoint so often, besides after each epoch', placeholder: 'S', ...budget }),

  report: z
    .boolean()
    .default(true)
    .meta({ description: 'write report.html', ...outputs }),
  benefits: z
    .boolean()
    .default(false)
    .meta({
      description:
        'also measure what transfer brings: against training from scratch, with fewer labels, and on degraded photos',
      ...outputs,
    }),
  benefitsMinutes: positive()
    .default(10)
    .meta({ description: 'how long the measurements of --benefits may take', placeholder: 'N', ...outputs }),
})

type Parsed = z.output<typeof trainSchema>

/** Options whose defaults depend on the kind of data. */
export interface ModalityDefaults {
  readonly backbone: string
  readonly epochs: number
  readonly optimizer: NonNullable<Parsed['optimizer']>
  /** For that optimizer; undefined leaves it to the optimizer. */
  readonly lr: number | undefined
  readonly weightDecay: number
  readonly decay: NonNullable<Parsed['decay']>
  readonly lrSchedule: NonNullable<Parsed['lrSchedule']>
}

/** Everything `transfer()` can be told that a JSON file can hold, with defaults filled in. */
export type TrainOptions = Omit<Parsed, keyof ModalityDefaults> & ModalityDefaults

/** The options with the defaults of the kind of data. */
export function settled(options: Parsed, defaults: ModalityDefaults): TrainOptions {
  // Few parameters that start from nothing want larger steps than the pretrained weights.
  const { adapter } = chooseMethods(options.methods)
  const contrastive = options.technique === 'setfit'
  const rate = contrastive ? SETFIT.lr : adapter === undefined ? defaults.lr : adapter.rate
  const preferred = contrastive || adapter !== undefined ? 'adamw' : defaults.optimizer
  const own = options.optimizer === undefined || options.optimizer === preferred
  return {
    ...options,
    backbone: options.backbone ?? defaults.backbone,
    epochs: options.epochs ?? (contrastive ? SETFIT.epochs : defaults.epochs),
    optimizer: options.optimizer ?? preferred,
    lr: options.lr ?? (own ? rate : undefined),
    weightDecay: options.weightDecay ?? (contrastive ? SETFIT.weightDecay : defaults.weightDecay),
    decay: options.decay ?? defaults.decay,
    lrSchedule: options.lrSchedule ?? defaults.lrSchedule,
  }
}

/** The same as written by a user. */
export type TrainInput = z.input<typeof trainSchema>
