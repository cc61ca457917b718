/** Every option of `graft multitask` and `multitask()`. */
import { z } from 'zod'
import type { ModalityDefaults } from '../training/trainOptions.js'
import { trainSchema } from '../training/trainOptions.js'

const { shape } = trainSchema
const what = { group: 'Tasks' }
const sharing = { group: 'Sharing' }
const compared = { group: 'Comparison' }
const names = () => z.array(z.string().min(1)).min(1)

export const TASK_TECHNIQUES = ['features', 'fine-tuning', 'lora'] as const

export const multitaskSchema = z.strictObject({
  data: z.string().min(1).optional().meta({
    description:
      'a table with a column of labels for each task, cells may be empty: of texts (CSV, JSON, JSON Lines, Parquet), or a CSV of photos with the column path; not needed where each task has a data set of its own',
    positional: 'DATA',
    group: 'Data and output',
  }),
  tasks: names()
    .optional()
    .meta({
      description:
        'the tasks: a column (type), a name for a column (sentiment=:label), a data set of its own (topic=news.csv:section, or type=photos/ with a folder per class), columns of 0 and 1 (flags=:a+b+c)',
      placeholder: 'A,B',
      ...what,
    }),
  main: names()
    .optional()
    .meta({
      description:
        'tasks that count: they choose the epoch that is kept, and the verdict is theirs; all where neither this nor --auxiliary is given',
      placeholder: 'A,B',
      ...what,
    }),
  auxiliary: names()
    .optional()
    .meta({ description: 'tasks that train along to help the others', placeholder: 'A,B', ...what }),
  types: names()
    .optional()
    .meta({
      description:
        'what tasks are, where it is not to be found out: single-label, multi-label, ordinal or number, such as stars=ordinal,price=number',
      placeholder: 'TASK=KIND',
      ...what,
    }),
  classes: names()
    .optional()
    .meta({
      description:
        'classes of tasks in their order, from low to high where they have one, such as size=small|medium|large',
      placeholder: 'TASK=A|B',
      ...what,
    }),
  sampling: z
    .string()
    .min(1)
    .default('proportional')
    .meta({
      description:
        'how often samples of each task are drawn: proportional to its labels, equal, or temperature(value=2) in between',
      ...what,
    }),

  technique: z
    .enum(TASK_TECHNIQUES)
    .default('features')
    .meta({
      description:
        'what trains: a small shared network on features of the frozen backbone, computed once; every weight; or LoRA',
      ...sharing,
    }),
  architecture: z
    .string()
    .min(1)
    .default('hard-sharing')
    .meta({
      description:
        'how tasks share: hard-sharing(hidden=128), cross-stitch, mmoe, cgc, ple; inside a backbone that trains branches(blocks=1), task-norms, or task-adapters of LoRA',
      ...sharing,
    }),
  weighting: z
    .string()
    .min(1)
    .default('equal')
    .meta({
      description:
        'how losses are weighed or gradients combined, with options in brackets: equal, fixed, uncertainty, dwa, rlw, famo, stch, pcgrad, cagrad, nash-mtl and others; see the guide. Equal weights are trained beside any other',
      ...sharing,
    }),
  gradientsOf: z
    .enum(['auto', 'representation', 'parameters'])
    .default('auto')
    .meta({
      description:
        'whose gradients are compared and combined: of what all tasks read (cheaper), or of the shared parameters; auto takes the first where there is one',
      ...sharing,
    }),
  lookEvery: z
    .int()
    .min(0)
    .default(10)
    .meta({
      description:
        'compare the tasks’ gradients at one step in so many, once an epoch at least, for the report; 0 is never',
      ...sharing,
    }),
  adapter: z
    .string()
    .min(1)
    .default('lora')
    .meta({
      description: 'what trains where the technique is lora: lora(rank=8), dora, bitfit or another adapter',
      ...sharing,
    }),
  methods: z
    .array(z.string().min(1))
    .default([])
    .meta({
      description:
        'what is added to the training of a backbone, with options in brackets: l2-sp, bss, stochastic-norm; see the guide',
      placeholder: 'A,B',
      ...sharing,
    }),

  single: z
    .boolean()
    .default(true)
    .meta({
      description: 'train a model of its own for each task too, on the same budget, to tell what sharing brought',
      ...compared,
    }),
  budget: z
    .enum(['total', 'each'])
    .default('total')
    .meta({
      description:
        'training that the single-task models get: all of them together as much as the shared one, or each as much',
      ...compared,
    }),
  splitTasks: z
    .boolean()
    .default(false)
    .meta({ description: 'also save each task as a model of its own, in OUT/tasks/NAME', ...compared }),

  out: shape.out,
  task: shape.task,
  overwrite: shape.overwrite,
  strict: shape.strict,
  validation: shape.validation,
  test: shape.test,
  text: shape.text,
  pair: shape.pair,
  splitColumn: shape.splitColumn,
  labelSeparator: shape.labelSeparator,
  normaliseLabels: shape.normaliseLabels,
  separator: shape.separator,
  encoding: shape.encoding,
  subset: shape.subset,
  backbone: shape.backbone,
  mean: shape.mean,
  std: shape.std,
  size: shape.size,
  maxLength: shape.maxLength,
  pooling: shape.pooling,
  features: shape.features,
  seed: shape.seed,
  schedule: z.enum(['full', 'gradual']).default('full').meta({
    description:
      'of fine-tuning: all layers from the first step on, or from the heads down; heads are fitted on features first',
    group: 'Fine-tuning',
  }),
  epochs: z.int().min(1).optional().meta({
    description:
      'passes over the training data; 30 on features, else 5 for photos and 3 for texts, where it is not given',
    group: 'Fine-tuning',
  }),
  batch: z.int().min(1).max(4096).optional().meta({
    description: 'samples a step; 64 on features, else 16, where it is not given',
    group: 'Fine-tuning',
  }),
  accumulate: shape.accumulate,
  batchNorm: shape.batchNorm,
  ema: shape.ema,
  patience: z.int().min(0).optional().meta({
    description:
      'stop after so many epochs without a better validation loss, 0 never stops early; 5 on features, else 0, where it is not given. The best epoch is kept either way',
    group: 'Fine-tuning',
  }),
  lr: shape.lr,
  optimizer: shape.optimizer,
  momentum: shape.momentum,
  nesterov: shape.nesterov,
  weightDecay: shape.weightDecay,
  decay: shape.decay,
  lrSchedule: shape.lrSchedule,
  warmup: shape.warmup,
  layerDecay: shape.layerDecay,
  clip: shape.clip,
  labelSmoothing: shape.labelSmoothing,
  classWeights: shape.classWeights,
  augment: shape.augment,
  threads: shape.threads,
  checkpointSeconds: shape.checkpointSeconds,
  report: shape.report,
})

type Parsed = z.output<typeof multitaskSchema>

/** Options whose defaults depend on the technique and on the kind of data. */
type Settled = Omit<ModalityDefaults, 'backbone'> & {
  readonly backbone: string
  readonly batch: number
  readonly patience: number
}

/** Everything `multitask()` can be told that a JSON file can hold, with defaults filled in. */
export type MultitaskOptions = Omit<Parsed, keyof Settled> & Settled

/** The same as written by a user. */
export type MultitaskInput = z.input<typeof multitaskSchema>

/** What a small network on features wants where nothing is said. */
const ON_FEATURES = {
  epochs: 30,
  batch: 64,
  patience: 5,
  optimizer: 'adamw',
  lr: 1e-3,
  weightDecay: 0.01,
  decay: 'matrices',
  lrSchedule: 'cosine',
} as const

/** The learning rate of LoRA with AdamW. */
const LORA_RATE = 5e-4

/** The options with the defaults of the technique and of the kind of data. */
export function settledTasks(options: Parsed, defaults: ModalityDefaults): MultitaskOptions {
  const features = options.technique === 'features'
  const own = features
    ? ON_FEATURES
    : {
        ...defaults,
        batch: 16,
        patience: 0,
        ...(options.technique === 'lora' ? { optimizer: 'adamw' as const, lr: LORA_RATE } : {}),
      }
  const sameOptimizer = options.optimizer === undefined || options.optimizer === own.optimizer
  return {
    ...options,
    backbone: options.backbone ?? defaults.backbone,
    epochs: options.epochs ?? own.epochs,
    batch: options.batch ?? own.batch,
    patience: options.patience ?? own.patience,
    optimizer: options.optimizer ?? own.optimizer,
    lr: options.lr ?? (sameOptimizer ? own.lr : undefined),
    weightDecay: options.weightDecay ?? own.weightDecay,
    decay: options.decay ?? own.decay,
    lrSchedule: options.lrSchedule ?? own.lrSchedule,
  }
}
