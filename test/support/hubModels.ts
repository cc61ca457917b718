/** Repositories as the test Hub serves them, and the environment that points at it. */

import { Random } from '#graft/base/random.js'
import { float32 } from '#graft/graph/tensor.js'
import { writeModel, writeModelInTwoFiles } from '#graft/onnx/writer.js'
import { tinyModel } from './tinyBackbone.js'

const COMMIT = 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334'
export const commitOf = (digit: string) => COMMIT.slice(0, 39) + digit

/** The network of the tiny backbone with ballast, so that it takes a while. */
export function heavyModel(seed = 1, numbers = 300_000) {
  const model = tinyModel(seed)
  const random = new Random(seed, 'ballast')
  model.graph.initializers.set(
    'ballast',
    float32(
      [numbers],
      Float32Array.from({ length: numbers }, () => random.normal()),
    ),
  )
  return model
}

export const heavyNetwork = (seed = 1, numbers = 300_000) => writeModel(heavyModel(seed, numbers))

/** A network of two files. */
export function networkInTwo(dataName: string, seed = 1): { model: Uint8Array; data: Uint8Array } {
  const { model, data } = writeModelInTwoFiles(heavyModel(seed), dataName)
  return { model, data: Buffer.concat([...data()]) }
}

export const PREPROCESSOR = JSON.stringify({
  image_processor_type: 'BitImageProcessor',
  do_resize: true,
  size: { height: 32, width: 32 },
  resample: 1,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
})

/** Files of an image model around its networks. */
export function imageFiles(networks: Readonly<Record<string, Uint8Array>>): Record<string, Uint8Array | string> {
  return {
    '.gitattributes': '*.onnx filter=lfs',
    'README.md': '---\nlicense: apache-2.0\nbase_model: org/original\n---\n# A network\n',
    'config.json': JSON.stringify({ model_type: 'resnet', architectures: ['ResNetForImageClassification'] }),
    'preprocessor_config.json': PREPROCESSOR,
    'pytorch_model.bin': Buffer.alloc(5000, 7),
    ...networks,
  }
}

const VARIABLES = [
  'HF_HOME',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'HF_ENDPOINT',
  'HF_TOKEN',
  'HUGGING_FACE_HUB_TOKEN',
  'HF_TOKEN_PATH',
  'HF_HUB_OFFLINE',
  'TRANSFORMERS_OFFLINE',
  'HF_HUB_DISABLE_IMPLICIT_TOKEN',
  'HF_HUB_DISABLE_SYMLINKS',
  'HF_HUB_DOWNLOAD_TIMEOUT',
  'HF_HUB_ETAG_TIMEOUT',
  'XDG_CACHE_HOME',
] as const

/** Sets the Hub's variables of this process to those given, and no others. */
export function setHubEnvironment(given: Partial<Record<(typeof VARIABLES)[number], string>>): void {
  for (const name of VARIABLES) delete process.env[name]
  Object.assign(process.env, given)
}
