/** Every verb by name, with its schema and one line on it. */
import { checkSchema, exportSchema, gradientsSchema } from './anyModel/options.js'
import { backbonesSchema } from './backbonesSchema.js'
import { multitaskSchema } from './multiTask/options.js'
import { VERBS as PHOTO_VERBS } from './options.js'

export const VERBS = Object.freeze({
  ...PHOTO_VERBS,
  multitask: { schema: multitaskSchema, summary: 'train one network for several tasks, and tell whether sharing pays' },
  backbones: { schema: backbonesSchema, summary: 'list pretrained networks: bundled, on the Hub, in its cache' },
  export: { schema: exportSchema, summary: 'write a smaller file of a model, or the programs that train it' },
  gradients: { schema: gradientsSchema, summary: 'compute the gradients of any model, from file to file' },
  check: { schema: checkSchema, summary: 'hold the gradients of any model against finite differences' },
})

export type Verb = keyof typeof VERBS
