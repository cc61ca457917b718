/** The verb `export --dtype`: a smaller file beside the model, and what it costs in accuracy, measured. */
import { exists, paths, sha256, writeFileAtomic } from '#platform'
import { GraftError, UsageError } from '../../base/errors.js'
import { Random } from '../../base/random.js'
import type { Model } from '../../graph/graph.js'
import { openModel } from '../../models/modelFile.js'
import { isModelFolder, type LoadedModelFolder, loadModelFolder, recordVariant } from '../../models/modelFolder.js'
import { isOnHub } from '../../models/place.js'
import { halfVariant, quantisedVariant } from '../../models/variants.js'
import { writeModel } from '../../onnx/writer.js'
import { openEngine } from '../../runtime/engine.js'
import { compareModels, comparisonData, type ModelComparison } from '../images/compareModels.js'
import { compareTextModels } from '../texts/compareModels.js'
import { chooseShapes, drawInputs, type Shapes } from './draw.js'
import { modelPath } from './source.js'

/** fp16: weights as float16. q8: weights as int8 with a scale a channel. */
export type VariantType = 'fp16' | 'q8'

/** What transformers.js calls the files. */
const ENDINGS: Readonly<Record<VariantType, string>> = { fp16: 'fp16', q8: 'quantized' }

export interface ExportVariantOptions {
  readonly dtype: VariantType
  /** Labelled photos or texts to measure on. @default those that the model folder says it was made from, where they are still there */
  readonly data?: string | undefined
  /** Shapes of the inputs that are drawn where there are no photos. */
  readonly shape?: Shapes | undefined
  /** @default 0 */
  readonly seed?: number | undefined
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ExportedVariant {
  readonly dtype: VariantType
  readonly path: string
  readonly bytes: { readonly before: number; readonly after: number }
  /** Weights that are stored in the smaller form. */
  readonly converted: number
  /** On photos or texts, where there were any. */
  readonly measured: (ModelComparison & { readonly origin: string }) | undefined
  /** Largest difference of an output, in parts of the largest output, on inputs drawn from the seed; where there were none. */
  readonly drawn: { readonly largestDifference: number } | undefined
  /** What was measured on and why, for a person. */
  readonly notes: readonly string[]
}

/**
 * Writes a smaller variant of a model beside it, under the name that transformers.js looks for: `model_fp16.onnx` (dtype
 * `fp16`) or `model_quantized.onnx` (dtype `q8`). Inputs, outputs and the arithmetic stay float32.
 *
 * @param model a model folder, an .onnx file or the name of a bundled backbone
 * @throws GraftError where nothing in the model can be stored smaller; where it cannot be written
 */
export async function exportVariant(model: string, options: ExportVariantOptions): Promise<ExportedVariant> {
  const { dtype, signal } = options
  if (await isOnHub(model))
    throw new UsageError(`${model} lies in the cache of the Hub, and a variant is written beside its model.`, {
      remedy: 'Copy the model to a folder of your own and name that.',
    })
  const path = await modelPath(model)
  const source = await openModel(path)
  const { model: variant, converted } = dtype === 'fp16' ? halfVariant(source.model) : quantisedVariant(source.model)
  if (converted === 0 && dtype === 'q8')
    throw new GraftError(`${path} has no weights that could be stored as int8.`, {
      remedy: 'It may be quantised already; `graft inspect` shows its operators.',
    })
  const bytes = writeModel(variant)
  const out = `${path.replace(/\.onnx$/i, '')}_${ENDINGS[dtype]}.onnx`
  const folder = paths.join(paths.folder(path), '..')
  const saved = (await isModelFolder(folder)) ? await loadModelFolder(folder) : undefined
  const notes: string[] = []
  const measured = saved && (await measureOnData(saved, variant, options, notes))
  if (!saved && options.data !== undefined)
    notes.push('the model is not in a folder that Graft saved, so its classes are not known: --data is not used')
  const drawn = measured ? undefined : await measureOnDraws(source.model, variant, options, notes)
  signal?.throwIfAborted()
  await writeFileAtomic(out, bytes)
  if (saved)
    await recordVariant(saved, {
      dtype,
      file: paths.portable(paths.relative(folder, out)),
      sha256: sha256(bytes),
      bytes: bytes.length,
      ...(measured ? { measured } : { drawn }),
    })
  return {
    dtype,
    path: out,
    bytes: { before: source.bytes, after: bytes.length },
    converted,
    measured,
    drawn,
    notes,
  }
}

/** Undefined where there is no data, which the notes say. */
async function measureOnData(
  saved: LoadedModelFolder,
  variant: Model,
  { data, threads, signal }: ExportVariantOptions,
  notes: string[],
): Promise<ExportedVariant['measured']> {
  if (saved.record.tasks !== undefined) {
    notes.push('the model has several tasks: export one with --tasks to measure what the smaller file costs it')
    return undefined
  }
  const photos = saved.record.task === 'image-classification'
  const many = photos ? 'photos' : 'texts'
  const recorded = saved.record.data.source
  const source = data ?? (typeof recorded === 'string' ? recorded : 'list')
  if (data === undefined && (source === 'list' || !(await exists(source)))) {
    notes.push(
      source === 'list'
        ? `the model was trained on ${many} that were handed over by a program, so there are none to measure on; name some with --data`
        : `the ${many} that the model was trained on are no longer at ${source}; name some with --data`,
    )
    return undefined
  }
  const { format: _format, files: _files, ...record } = saved.record
  const contents = { ...saved, readme: '', record }
  if (!photos) {
    const { notes: said, ...found } = await compareTextModels(contents, variant, source, { threads, signal })
    notes.push(...said)
    return found
  }
  const chosen = await comparisonData(saved.labels, source, signal)
  notes.push(...chosen.notes)
  return { ...(await compareModels(contents, variant, chosen.samples, { threads, signal })), origin: chosen.origin }
}

async function measureOnDraws(
  model: Model,
  variant: Model,
  { shape, seed = 0, threads }: ExportVariantOptions,
  notes: string[],
): Promise<ExportedVariant['drawn']> {
  const shapes = chooseShapes(model, shape ?? {}, {})
  const inputs = drawInputs(model, shapes, {}, new Random(seed, 'export'))
  const sizes = Object.entries(shapes).map(([name, dims]) => `${name} (${dims.join(', ')})`)
  notes.push(`compared on inputs drawn with seed ${seed}, not on data: ${sizes.join('; ')}`)
  const engine = await openEngine(threads === undefined ? {} : { threads })
  try {
    const run = async (one: Model) => {
      const program = await engine.load({ model: one, state: [] })
      const results = await program.run(inputs)
      await program.release()
      return results
    }
    const [before, after] = [await run(model), await run(variant)]
    let largest = 0
    let largestDifference = 0
    for (const [name, { type, data }] of Object.entries(before)) {
      if (type !== 'float32') continue
      const other = after[name]?.data as Float32Array
      for (const [i, value] of (data as Float32Array).entries()) {
        largest = Math.max(largest, Math.abs(value))
        largestDifference = Math.max(largestDifference, Math.abs(value - (other[i] as number)))
      }
    }
    return { largestDifference: largest === 0 ? 0 : largestDifference / largest }
  } finally {
    await engine.close()
  }
}
