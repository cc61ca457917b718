/**
 * What a folder in the shape of a Hugging Face data set says of itself: its subsets, their files and parts, and the
 * names of classes; from the YAML at the head of `README.md` (the dataset card) and from `dataset_infos.json`.
 */
import { parse } from 'yaml'
import { exists, paths, readFileText } from '#platform'
import { GraftError, messageOf, UsageError } from '../../base/errors.js'
import { list, splitNamed } from '../layout.js'
import type { Split } from '../types.js'
import { classNamesOfCard, classNamesOfFeatures } from './features.js'
import { isObject } from './table.js'

export interface CardFiles {
  /** Patterns of paths below the folder, such as `data/train-*`. */
  readonly patterns: readonly string[]
  readonly split: Split | undefined
}

export interface Card {
  /** Which files belong to the subset; undefined where the card does not say. */
  readonly files: readonly CardFiles[] | undefined
  readonly classNames: ReadonlyMap<string, readonly string[]>
  /** Sentences for a person. */
  readonly notes: readonly string[]
}

/**
 * @param subset which one, where there are several (the card calls them configurations)
 * @throws UsageError where it is not there, or where it has to be named; GraftError where the YAML cannot be read
 */
export async function readCard(root: string, subset: string | undefined): Promise<Card> {
  const head = await cardHead(root)
  const infos = await datasetInfos(root)
  const configs = (Array.isArray(head.configs) ? head.configs : []).filter(isObject)
  const described = (Array.isArray(head.dataset_info) ? head.dataset_info : [head.dataset_info]).filter(isObject)
  const named = configs.filter((entry) => entry.data_files !== undefined)
  const chosen = chooseConfig(root, named.length > 0 ? named : described, subset)
  const name = chosen === undefined ? undefined : String(chosen.config_name)
  const features = (described.find((entry) => nameOf(entry) === name) ?? described[0])?.features
  const info = isObject(infos) ? ((name === undefined ? undefined : infos[name]) ?? Object.values(infos)[0]) : undefined
  return {
    files: chosen === undefined || chosen.data_files === undefined ? undefined : filesOf(chosen.data_files),
    classNames: new Map([
      ...classNamesOfFeatures(isObject(info) ? info.features : undefined),
      ...classNamesOfCard(features),
    ]),
    notes: name === undefined || named.length < 2 ? [] : [`Of the subsets of ${root}, ${name} is read.`],
  }
}

/** The YAML between the lines `---` at the head of the card; empty where there is none. */
async function cardHead(root: string): Promise<Readonly<Record<string, unknown>>> {
  const path = paths.join(root, 'README.md')
  if (!(await exists(path))) return {}
  const yaml = /^---\r?\n(.*?)^---\s*$/ms.exec(await readFileText(path))?.[1]
  if (yaml === undefined) return {}
  try {
    const head: unknown = parse(yaml)
    return isObject(head) ? head : {}
  } catch (error) {
    throw new GraftError(`${path}: the YAML at its head cannot be read (${messageOf(error)})`, {
      remedy: 'Correct it, or name the data file itself.',
      cause: error,
    })
  }
}

async function datasetInfos(root: string): Promise<unknown> {
  const path = paths.join(root, 'dataset_infos.json')
  if (!(await exists(path))) return undefined
  try {
    return JSON.parse(await readFileText(path))
  } catch (error) {
    throw new GraftError(`${path}: is no JSON (${messageOf(error)})`, { remedy: 'Correct or remove it.', cause: error })
  }
}

type Entry = Readonly<Record<string, unknown>>

function nameOf(entry: Entry): string {
  return entry.config_name === undefined ? 'default' : String(entry.config_name)
}

function chooseConfig(root: string, configs: readonly Entry[], wanted: string | undefined): Entry | undefined {
  const names = configs.map(nameOf)
  if (wanted !== undefined) {
    const found = configs[names.indexOf(wanted)]
    if (found !== undefined) return found
    throw new UsageError(`${root}: has no subset ${JSON.stringify(wanted)}; found ${list(names, 20) || 'none'}`, {
      remedy: names.length === 0 ? 'Leave it out.' : 'Name one of these.',
    })
  }
  if (configs.length < 2) return configs[0]
  const usual = configs.find((entry) => entry.default === true) ?? configs[names.indexOf('default')]
  if (usual !== undefined) return usual
  throw new UsageError(`${root}: has the subsets ${list(names, 20)}`, {
    remedy: `Say which one to read: --subset ${names[0]}.`,
  })
}

/** `data/*.csv`, a list of these, or `[{split: train, path: data/train-*}]`. */
function filesOf(files: unknown): CardFiles[] {
  const entries = Array.isArray(files) ? files : [files]
  const loose = entries.filter((entry) => typeof entry === 'string')
  const parts = entries.filter(isObject).map(({ split, path }): CardFiles => {
    return { patterns: (Array.isArray(path) ? path : [path]).map(String), split: splitNamed(String(split)) }
  })
  return loose.length === 0 ? parts : [...parts, { patterns: loose, split: undefined }]
}

/** Whether a path matches a pattern with `*` (within a name), `**` (across folders), `?` and `{a,b}`. */
export function matches(id: string, pattern: string): boolean {
  const source = pattern.replace(/^\.\//, '').replace(/\{[^{}]*\}|\*\*\/?|[*?]|[.+^$()|[\]\\]/g, (sign) => {
    if (sign.startsWith('{')) return `(?:${sign.slice(1, -1).split(',').map(escaped).join('|')})`
    if (sign.startsWith('**')) return '.*'
    return sign === '*' ? '[^/]*' : sign === '?' ? '[^/]' : escaped(sign)
  })
  return new RegExp(`^${source}$`, 'u').test(id)
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
