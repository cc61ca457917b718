/** Every option of `graft compare` and `compare()`. */
import { z } from 'zod'
import { trainSchema } from '../training/trainOptions.js'

const { shape } = trainSchema
const what = { group: 'What is compared' }

export const compareSchema = z.strictObject({
  data: shape.data,
  methods: z
    .array(z.string().min(1))
    .min(1)
    .default(['probe', 'lp-ft', 'lora', 'bitfit'])
    .meta({
      description:
        'classifiers (probe, knn, ...), schedules (lp-ft, full, gradual), unfreeze(blocks=2), and methods of fine-tuning, several with + between them, such as lora(rank=4)+l2-sp',
      placeholder: 'A,B',
      ...what,
    }),
  seeds: z
    .int()
    .min(1)
    .max(100)
    .default(1)
    .meta({ description: 'how often each is trained, with another seed and division of the data', ...what }),
  out: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'folder for the page and the figures; a comparison that was interrupted goes on there',
      placeholder: 'DIR',
      ...what,
    }),
  task: shape.task,
  text: shape.text,
  label: shape.label,
  pair: shape.pair,
  splitColumn: shape.splitColumn,
  target: shape.target,
  classes: shape.classes,
  labelSeparator: shape.labelSeparator,
  normaliseLabels: shape.normaliseLabels,
  separator: shape.separator,
  encoding: shape.encoding,
  subset: shape.subset,
  strict: shape.strict,
  backbone: shape.backbone,
  mean: shape.mean,
  std: shape.std,
  size: shape.size,
  features: shape.features,
  maxLength: shape.maxLength,
  pooling: shape.pooling,
  seed: shape.seed,
  epochs: shape.epochs,
  batch: shape.batch,
  lr: shape.lr,
  augment: shape.augment,
  minutes: shape.minutes,
  threads: shape.threads,
  memory: shape.memory,
})

export type CompareInput = z.input<typeof compareSchema>
