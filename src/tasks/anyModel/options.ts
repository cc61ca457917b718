/** The schemas of the verbs that work on any ONNX model, whatever its task. Flags, help, run files and docs are made from these. */
import { z } from 'zod'

const threads = z.int().min(1).max(1024).optional().meta({ description: 'threads for the arithmetic' })
const model = z
  .string()
  .min(1)
  .meta({ description: 'an .onnx file, a model folder, or the name of a bundled backbone', positional: 'MODEL' })
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
