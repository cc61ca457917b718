/** The schemas of the verbs that work on any ONNX model, whatever its task. Flags, help, run files and docs are made from these. */
import { z } from 'zod'
import { trainSchema } from '../training/trainOptions.js'

const threads = z.int().min(1).max(1024).optional().meta({ description: 'threads for the arithmetic' })
const model = z.string().min(1).meta({
  description: 'an .onnx file, a model folder, a bundled backbone, or a model on the Hub (org/name)',
  positional: 'MODEL',
})
const sizes = z.array(
  z
    .int()
    .min(0)
    .max(2 ** 31),
)

export const gradientsSchema = z.strictObject({
  model,
  feeds: z.string().min(1).meta({
    description:
      'a safetensors file with input.<name> for every input of the model and cotangent.<name> for float outputs',
    placeholder: 'FILE',
  }),
  out: z.string().min(1).default('gradients.safetensors').meta({
    description: 'where grad.<initializer> and grad_input.<name> are written, in safetensors',
    placeholder: 'FILE',
  }),
  paddingRows: z.record(z.string(), sizes).default({}).meta({
    description:
      "rows of an embedding table that get no gradient from being looked up, such as word_embeddings.weight=0: PyTorch's padding_idx, which an ONNX file does not say; may be given several times",
    placeholder: 'TABLE=ROWS',
  }),
  threads,
})

export const checkSchema = z.strictObject({
  model,
  feeds: z.string().min(1).optional().meta({
    description: 'a safetensors file with input.<name> and cotangent.<name>; what it lacks is drawn from the seed',
    placeholder: 'FILE',
  }),
  shape: z.record(z.string(), sizes).default({}).meta({
    description: 'the shape of an input that is drawn, such as image=1,3,224,224; may be given several times',
    placeholder: 'INPUT=SIZES',
  }),
  seed: z.int().min(0).default(0).meta({ description: 'inputs, cotangents and directions follow from it' }),
  directions: z
    .int()
    .min(1)
    .max(1000)
    .default(2)
    .meta({ description: 'directions tried for each parameter and input', placeholder: 'K' }),
  tolerance: z
    .number()
    .positive()
    .lt(1)
    .default(0.01)
    .meta({ description: 'relative difference from which a gradient is called wrong' }),
  threads,
})

const variant = { group: 'Smaller files' }
const training = { group: 'Training programs' }

/** Options of fine-tuning that shape its step, as they are there. */
const { momentum, nesterov, lr, clip, ema, batchNorm } = trainSchema.shape
const rates = { group: 'Optimizer and rates' }
const optimizer = trainSchema.shape.optimizer
  .unwrap()
  .default('sgd')
  .meta({ description: 'sgd has momentum', ...rates })
const weightDecay = z
  .number()
  .min(0)
  .default(1e-4)
  .meta({ description: 'weight decay: an L2 penalty for sgd and adam, decoupled for adamw', ...rates })

export const exportSchema = z.strictObject({
  model,
  dtype: z
    .enum(['fp16', 'q8'])
    .optional()
    .meta({
      description: 'write the model again beside itself with its weights as float16, or as int8 with a scale a channel',
      ...variant,
    }),
  data: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        'labelled photos or texts to measure the loss of accuracy on; those of the run, if not given and still there',
      ...variant,
    }),
  tasks: z.array(z.string().min(1)).min(1).optional().meta({
    description:
      'of a model of several tasks: write each of these as a model of its own, in a folder of --out; all for all',
    placeholder: 'A,B',
    group: 'Single tasks',
  }),
  training: z
    .boolean()
    .default(false)
    .meta({
      description: 'write the programs that train the model, for onnxruntime in any language',
      ...training,
    }),
  out: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'folder for the training programs, or for the tasks', placeholder: 'DIR', ...training }),
  loss: z
    .enum(['cross-entropy', 'mse'])
    .default('cross-entropy')
    .meta({
      description: 'cross-entropy takes soft targets (N, classes), mse targets in the shape of the output',
      ...training,
    }),
  output: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'the output that the loss is taken of; the first float one', ...training }),
  batch: z
    .int()
    .min(1)
    .max(4096)
    .default(16)
    .meta({ description: 'samples a step, for inputs whose first axis is open', ...training }),
  accumulate: z
    .boolean()
    .default(false)
    .meta({ description: 'two programs: one adds up gradients, one applies them', ...training }),
  freeze: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'parameters that do not train, by name; * stands for any text', ...training }),
  optimizer,
  momentum,
  nesterov,
  weightDecay,
  lr,
  clip,
  ema,
  batchNorm,
  shape: z.record(z.string(), sizes).default({}).meta({
    description: 'the shape of an input, such as image=16,3,224,224; may be given several times',
    placeholder: 'INPUT=SIZES',
  }),
  seed: z.int().min(0).default(0).meta({ description: 'inputs that are drawn to compare on follow from it' }),
  threads,
})
