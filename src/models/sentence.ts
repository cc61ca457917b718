/** What sentence-transformers' files say of a network: how tokens become one vector, and what is done with that. */
import { exists, paths, readFileText } from '#platform'
import { GraftError } from '../base/errors.js'
import { isObject, readJson } from './folderFiles.js'
import type { Pooling } from './pooling.js'

export interface SentenceSettings {
  /** Undefined where the folder does not say. */
  readonly pooling: Pooling | undefined
  /** Whether vectors are divided by their length. */
  readonly normalise: boolean
  /** Tokens at most. */
  readonly maxLength: number | undefined
  /** What it asks for and is not done, for the user. */
  readonly notes: readonly string[]
}

/** @throws GraftError where a file is damaged */
export async function readSentenceSettings(folder: string): Promise<SentenceSettings> {
  const notes: string[] = []
  const modules = await readModules(folder)
  const kinds = modules.map((module) => module.type.split('.').at(-1) ?? '')
  if (kinds.includes('Dense'))
    notes.push('its sentence vectors go through a dense layer outside of the ONNX file, which is left out')
  const place = modules.find((module) => module.type.endsWith('Pooling'))?.path ?? '1_Pooling'
  const pooling = await readPooling(paths.join(folder, place, 'config.json'), notes)
  const settings = await readJson(paths.join(folder, 'sentence_bert_config.json'))
  const length = settings?.max_seq_length
  return {
    pooling,
    normalise: kinds.includes('Normalize'),
    maxLength: typeof length === 'number' && length > 0 ? length : undefined,
    notes,
  }
}

/** The parts of a sentence encoder, in order; none where the folder does not list them. */
async function readModules(folder: string): Promise<{ type: string; path: string }[]> {
  const path = paths.join(folder, 'modules.json')
  if (!(await exists(path))) return []
  let value: unknown
  try {
    value = JSON.parse(await readFileText(path))
  } catch (error) {
    throw new GraftError(`${path} is not valid JSON.`, { remedy: 'Copy the file again.', cause: error })
  }
  if (!Array.isArray(value))
    throw new GraftError(`${path} holds no list of modules.`, { remedy: 'Copy the file again.' })
  return value.filter(isObject).map(({ type, path: at }) => ({
    type: typeof type === 'string' ? type : '',
    path: typeof at === 'string' ? at : '',
  }))
}

/** Flags such as `pooling_mode_cls_token`, or in newer files their names under `pooling_mode`. */
const MODES: readonly (readonly [string, string, Pooling | undefined])[] = [
  ['mean', 'mean_tokens', 'mean'],
  ['cls', 'cls_token', 'cls'],
  ['lasttoken', 'lasttoken', 'last'],
  ['max', 'max_tokens', undefined],
  ['mean_sqrt_len_tokens', 'mean_sqrt_len_tokens', undefined],
  ['weightedmean', 'weightedmean_tokens', undefined],
]

async function readPooling(path: string, notes: string[]): Promise<Pooling | undefined> {
  const config = await readJson(path)
  if (config === undefined) return undefined
  const listed = config.pooling_mode
  const named = new Set(typeof listed === 'string' ? [listed] : Array.isArray(listed) ? listed.map(String) : [])
  const chosen = MODES.filter(([name, flag]) => named.has(name) || config[`pooling_mode_${flag}`] === true)
  const [only] = chosen
  if (chosen.length === 1 && only?.[2] !== undefined) return only[2]
  if (chosen.length > 0)
    notes.push(`it pools by ${chosen.map(([name]) => name).join(' and ')}, which is not offered: the mean is taken`)
  return undefined
}
