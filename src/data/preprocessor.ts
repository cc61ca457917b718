/**
 * Reads a `preprocessor_config.json` as transformers.js 4 does in Node and states it as plain steps: which sizes, which
 * filter, which crop, which affine map of the pixel values. What cannot be followed exactly is refused by name.
 */
import type { ResizeFilter } from '#platform'
import { GraftError, UsageError } from '../base/errors.js'

/** The JSON of a `preprocessor_config.json`. */
export type PreprocessorConfig = Readonly<Record<string, unknown>>

export interface Size {
  readonly height: number
  readonly width: number
}

/** A change of an image's geometry; `target` maps the size before to the size after. */
export type GeometryStep =
  | { readonly kind: 'resize'; readonly target: (width: number, height: number) => Size }
  | { readonly kind: 'centre-crop'; readonly size: Size }

/** A configuration, resolved: geometry, then `(value * scale - mean) / std`, then zero padding at the right and bottom. */
export interface Preprocessing {
  readonly steps: readonly GeometryStep[]
  readonly filter: ResizeFilter
  /** Undefined: values stay 0 ... 255. */
  readonly scale: number | undefined
  readonly mean: readonly number[] | undefined
  readonly std: readonly number[] | undefined
  readonly pad: boolean
  /** Blue first. */
  readonly bgr: boolean
  /** Of the network's input. */
  readonly size: Size
}

const FILTERS: readonly ResizeFilter[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'bilinear', 'bilinear']

/** Processors of transformers.js that do more than the steps here: detection, documents, tiles, video, their own formats. */
const SPECIAL =
  /^(Detr|Yolos|Donut|Nougat|Gemma|Glm|GroundingDino|Idefics|SmolVLM|Janus|VLM|JinaCLIP|Lfm2Vl|LlavaOnevision|Mask|Phi3|Pixtral|Qwen2|RTDetr|Owl|Sam|EfficientSam|Swin2SR|VitMatte|VitPose|Chmv2|Sapiens)/i

/** @throws GraftError naming the entry that is wrong, missing or not supported. */
export function readPreprocessor(config: PreprocessorConfig, where = 'preprocessor_config.json'): Preprocessing {
  const read = reader(config, where)
  const type = String(config.image_processor_type ?? config.feature_extractor_type ?? '').replace(/Fast$/, '')
  if (SPECIAL.test(type)) throw read.refuse('image_processor_type', `${type} is not supported`)
  for (const name of ['do_crop_margin', 'keep_aspect_ratio', 'ensure_multiple_of'])
    if (config[name]) throw read.refuse(name, 'is not supported')
  const rule = resizeRule(read, type)
  const steps: GeometryStep[] = [...rule.steps]
  let size = rule.size
  if (read.flag('do_center_crop', false)) {
    size = read.size('crop_size', config.crop_size)
    steps.push({ kind: 'centre-crop', size })
  }
  const padded = read.flag('do_pad', false) ? padSize(read, size) : undefined
  size = padded ?? size
  if (size === undefined)
    throw read.refuse(
      'size',
      'gives photos of different sizes, but a batch needs one',
      'Set do_center_crop and crop_size.',
    )
  const normalise = read.flag('do_normalize', false)
  const std = normalise ? read.triple('image_std', config.image_std ?? config.std) : undefined
  if (std?.some((value) => value === 0)) throw read.refuse('image_std', 'holds 0, by which nothing can be divided')
  return {
    steps,
    filter: read.filter(),
    scale: read.flag('do_rescale', true) ? read.number('rescale_factor', 1 / 255) : undefined,
    mean: normalise ? read.triple('image_mean', config.image_mean ?? config.mean) : undefined,
    std: squared(std, type, config) ? std?.map((value) => value * value) : std,
    pad: padded !== undefined,
    bgr: read.flag('do_flip_channel_order', false),
    size,
  }
}

/** transformers.js squares the deviation for EfficientNet unless `include_top` is false, following the Python original. */
function squared(std: readonly number[] | undefined, type: string, config: PreprocessorConfig): boolean {
  return std !== undefined && type === 'EfficientNetImageProcessor' && (config.include_top ?? true) !== false
}

/** The resize steps, and the size they end in where it is the same for every photo. */
function resizeRule(read: Reader, type: string): { steps: GeometryStep[]; size: Size | undefined } {
  const { config } = read
  const given = config.size ?? config.image_size
  const thumbnail = read.flag('do_thumbnail', false)
  const steps: GeometryStep[] = []
  let size: Size | undefined
  if (read.flag('do_resize', given !== undefined)) {
    if (/^ConvNext(Image|FeatureE)/.test(type)) return convNext(read, given)
    if (thumbnail) {
      const { height, width } = read.size('size', given)
      steps.push({ kind: 'resize', target: keepAspect(Math.min(height, width), undefined, read.divisor()) })
    } else if (isRecord(given) && given.shortest_edge === undefined && given.longest_edge === undefined) {
      size = read.size('size', given)
      const fixed = size
      steps.push({ kind: 'resize', target: () => fixed })
    } else if (given !== undefined) {
      const edges = read.edges(given)
      steps.push({ kind: 'resize', target: keepAspect(edges.shortest, edges.longest, read.divisor()) })
    } else throw read.refuse('size', 'is missing')
  }
  if (thumbnail) {
    const most = read.size('size', given)
    steps.push({ kind: 'resize', target: (width, height) => thumbnailSize(width, height, most) })
  }
  return { steps, size }
}

/** ConvNeXt and ResNet: below 384, resize to `shortest_edge / crop_pct` and crop; from 384 on, warp. */
function convNext(read: Reader, given: unknown): { steps: GeometryStep[]; size: Size } {
  const shortest = isRecord(given) ? given.shortest_edge : undefined
  if (typeof shortest !== 'number' || !(shortest > 0)) throw read.refuse('size', 'needs shortest_edge')
  const size = { height: shortest, width: shortest }
  if (shortest >= 384) return { steps: [{ kind: 'resize', target: () => size }], size }
  const edge = Math.floor(shortest / read.number('crop_pct', 224 / 256))
  return {
    steps: [
      { kind: 'resize', target: keepAspect(edge, undefined, undefined) },
      { kind: 'centre-crop', size },
    ],
    size,
  }
}

/** Shortest edge to `shortest`, then the longest to at most `longest`; rounded as transformers.js rounds. */
function keepAspect(shortest: number | undefined, longest: number | undefined, divisor: number | undefined) {
  return (width: number, height: number): Size => {
    const up = shortest === undefined ? 1 : Math.max(shortest / width, shortest / height)
    const [wide, high] = [width * up, height * up]
    const down = longest === undefined ? 1 : Math.min(longest / wide, longest / high)
    const round = (edge: number) => Math.floor(Number((edge * down).toFixed(2)))
    const whole = (edge: number) => (divisor === undefined ? edge : Math.max(Math.floor(edge / divisor), 1) * divisor)
    return { width: whole(round(wide)), height: whole(round(high)) }
  }
}

function thumbnailSize(inputWidth: number, inputHeight: number, most: Size): Size {
  let height = Math.min(inputHeight, most.height)
  let width = Math.min(inputWidth, most.width)
  if (height === inputHeight && width === inputWidth) return { height, width }
  if (inputHeight > inputWidth) width = Math.floor((inputWidth * height) / inputHeight)
  else if (inputWidth > inputHeight) height = Math.floor((inputHeight * width) / inputWidth)
  return { height, width }
}

function padSize(read: Reader, size: Size | undefined): Size | undefined {
  const { config } = read
  const divisor = read.divisor()
  const given = config.pad_size ?? (divisor === undefined && isRecord(config.size) ? config.size : undefined)
  if (given !== undefined && !(isRecord(given) && given.width === undefined)) return read.size('pad_size', given)
  if (divisor === undefined || size === undefined) return undefined
  const up = (edge: number) => Math.ceil(edge / divisor) * divisor
  return { height: up(size.height), width: up(size.width) }
}

interface Reader {
  readonly config: PreprocessorConfig
  refuse(name: string, problem: string, remedy?: string): GraftError
  flag(name: string, otherwise: boolean): boolean
  number(name: string, otherwise: number): number
  /** A positive whole number for a square, or `{ height, width }`. */
  size(name: string, value: unknown): Size
  edges(value: unknown): { shortest: number | undefined; longest: number | undefined }
  triple(name: string, value: unknown): readonly number[]
  divisor(): number | undefined
  filter(): ResizeFilter
}

function reader(config: PreprocessorConfig, where: string): Reader {
  const refuse: Reader['refuse'] = (name, problem, remedy) => {
    const found = config[name] === undefined ? '' : ` (found ${JSON.stringify(config[name])})`
    return new GraftError(`${where}: ${name} ${problem}${found}`, { remedy: remedy ?? `Correct ${name} in that file.` })
  }
  const edge = (name: string, value: unknown): number => {
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
    throw refuse(name, 'must hold positive whole numbers')
  }
  return {
    config,
    refuse,
    flag: (name, otherwise) => Boolean(config[name] ?? otherwise),
    number(name, otherwise) {
      const value = config[name] ?? otherwise
      if (typeof value === 'number' && Number.isFinite(value) && value !== 0) return value
      throw refuse(name, 'must be a number other than 0')
    },
    size(name, value) {
      if (isRecord(value)) return { height: edge(name, value.height), width: edge(name, value.width) }
      return { height: edge(name, value), width: edge(name, value) }
    },
    edges(value) {
      if (!isRecord(value)) return { shortest: edge('size', value), longest: edge('size', config.max_size ?? value) }
      const optional = (entry: unknown) => (entry === undefined ? undefined : edge('size', entry))
      return { shortest: optional(value.shortest_edge), longest: optional(value.longest_edge) }
    },
    triple(name, value) {
      const values = Array.isArray(value) ? value : [value, value, value]
      if (values.length === 3 && values.every((v) => typeof v === 'number' && Number.isFinite(v))) return values
      throw refuse(name, 'must be a number or three numbers')
    },
    divisor() {
      const value = config.size_divisibility ?? config.size_divisor
      return value === undefined ? undefined : edge('size_divisor', value)
    },
    filter() {
      const value = config.resample ?? 2
      const name = typeof value === 'number' ? FILTERS[value] : FILTERS.find((filter) => filter === value)
      if (name !== undefined) return name
      throw refuse('resample', 'must be 0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)')
    },
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What the flags of the command line say about a bare network's input. */
export interface PreprocessorFlags {
  /** Per channel or for all, in units of 0 ... 1. Default: ImageNet's 0.485, 0.456, 0.406. */
  readonly mean?: readonly number[] | undefined
  /** Default: ImageNet's 0.229, 0.224, 0.225. */
  readonly std?: readonly number[] | undefined
  /** Height and width of the network's input in pixels. */
  readonly size: number
}

/**
 * A configuration to save beside a bare network: shortest edge to `size / 0.875` by Lanczos (the one filter that
 * transformers.js applies with antialiasing in Node), centre crop of `size`, `(x / 255 - mean) / std`.
 */
export function preprocessorFromFlags(flags: PreprocessorFlags): PreprocessorConfig {
  if (!Number.isInteger(flags.size) || flags.size <= 0)
    throw new UsageError(`size is ${flags.size}, expected a positive whole number of pixels`)
  const mean = channels('mean', flags.mean ?? [0.485, 0.456, 0.406])
  const std = channels('std', flags.std ?? [0.229, 0.224, 0.225])
  if (std.some((value) => value <= 0)) throw new UsageError(`std is ${std.join(', ')}, expected positive numbers`)
  return {
    // A processor without rules of its own: EfficientNet's would square the deviations, ResNet's would crop on its own.
    image_processor_type: 'BitImageProcessor',
    do_convert_rgb: true,
    do_resize: true,
    size: { shortest_edge: Math.round(flags.size / 0.875) },
    resample: 1,
    do_center_crop: true,
    crop_size: { height: flags.size, width: flags.size },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  }
}

function channels(name: string, values: readonly number[]): number[] {
  const three = values.length === 1 ? [values[0]!, values[0]!, values[0]!] : [...values]
  if (three.length !== 3 || three.some((value) => !Number.isFinite(value)))
    throw new UsageError(`${name} is ${values.join(', ')}, expected one number or three`)
  if (three.some((value) => value > 1.5))
    throw new UsageError(`${name} is ${values.join(', ')}, expected numbers for pixels of 0 ... 1`, {
      remedy: `Divide by 255: ${three.map((value) => Number((value / 255).toFixed(4))).join(', ')}.`,
    })
  return three
}
