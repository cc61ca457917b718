/**
 * Reads the labels and the split off a folder's structure: a folder per class, perhaps below `train/`, `val/` and `test/`.
 * Works on paths alone.
 */
import { GraftError } from '../base/errors.js'
import type { Split } from './types.js'

/** Where a photo belongs; or why it does not. */
export type Place = { readonly label: string; readonly split?: Split } | { readonly unlabelled: string }

export interface Layout {
  /** Whether `train/`, `val/`, `test/` folders lie above the class folders. */
  readonly splits: boolean
  place(id: string): Place
  readonly warnings: readonly string[]
}

/** What is laid out, for messages. */
export interface LaidOut {
  /** `photos`, `texts`. */
  readonly many: string
  /** What to do where they lie loose. */
  readonly remedy: string
}

const PHOTOS: LaidOut = {
  many: 'photos',
  remedy: 'Sort them into one folder per class (photos/cat/1.jpg), or give a CSV with the columns path and label.',
}

const SPLIT_NAMES: Readonly<Record<string, Split>> = {
  train: 'train',
  training: 'train',
  val: 'validation',
  valid: 'validation',
  dev: 'validation',
  validation: 'validation',
  test: 'test',
  testing: 'test',
}

/** The split that a folder or a column value names, whatever its case; undefined for any other word. */
export function splitNamed(name: string): Split | undefined {
  const key = name.trim().toLowerCase()
  return Object.hasOwn(SPLIT_NAMES, key) ? SPLIT_NAMES[key] : undefined
}

/**
 * @param root the folder's name, for messages
 * @param ids paths of the photos (or texts) relative to it
 * @param folders names of all folders directly in it, also those without photos
 * @param what what they are, for messages; default: photos
 * @throws GraftError where the photos lie directly in the folder, or where classes and splits are mixed on one level
 */
export function folderLayout(
  root: string,
  ids: readonly string[],
  folders: readonly string[],
  what: LaidOut = PHOTOS,
): Layout {
  const direct: string[] = []
  const deep = new Map<string, Set<string>>()
  for (const id of ids) {
    const [top, second, third] = id.split('/')
    if (second === undefined) direct.push(id)
    else {
      const inner = deep.get(top!) ?? new Set<string>()
      if (third !== undefined) inner.add(second)
      deep.set(top!, inner)
    }
  }
  if (deep.size === 0 && direct.length > 0)
    throw new GraftError(`${root}: ${direct.length} ${what.many} lie directly in it, expected one folder per class`, {
      remedy: what.remedy,
    })
  const names = [...deep.keys()]
  const splitFolders = names.filter((name) => splitNamed(name) !== undefined)
  const others = names.filter((name) => splitNamed(name) === undefined)
  const withClasses = splitFolders.filter((name) => deep.get(name)!.size > 0)
  if (withClasses.length > 0 && others.length > 0)
    throw new GraftError(
      `${root}: ${list(withClasses)} beside ${list(others)}: are these classes or parts of a split?`,
      {
        remedy: `Move the class folders into ${withClasses[0]}/, or rename ${withClasses[0]}/ if it is a class.`,
      },
    )
  const splits = withClasses.length > 0 && others.length === 0
  const warnings = splits ? splitWarnings(deep, splitFolders, what) : emptyWarnings(folders, deep, what)
  return { splits, warnings, place: (id) => (splits ? placeInSplit(id) : placeInClass(id)) }
}

function placeInClass(id: string): Place {
  const [label, second] = id.split('/')
  return second === undefined ? { unlabelled: 'lies beside the class folders, not in one' } : { label: label! }
}

function placeInSplit(id: string): Place {
  const [top, label, file] = id.split('/')
  const split = splitNamed(top!)
  if (split === undefined || label === undefined) return { unlabelled: 'lies outside the train, val and test folders' }
  return file === undefined ? { unlabelled: `lies directly in ${top}/, not in a class folder` } : { label, split }
}

function splitWarnings(
  deep: ReadonlyMap<string, Set<string>>,
  splitFolders: readonly string[],
  { many }: LaidOut,
): string[] {
  const warnings: string[] = []
  for (const name of splitFolders)
    if (deep.get(name)!.size === 0) warnings.push(`The ${many} in ${name}/ have no class folder and are left out.`)
  const seen = new Map<Split, string>()
  for (const name of splitFolders) {
    const split = splitNamed(name)!
    const first = seen.get(split)
    if (first !== undefined) warnings.push(`Both ${first}/ and ${name}/ are read as ${split}.`)
    else seen.set(split, name)
  }
  return warnings
}

function emptyWarnings(folders: readonly string[], deep: ReadonlyMap<string, unknown>, { many }: LaidOut): string[] {
  const empty = folders.filter((name) => !deep.has(name))
  if (empty.length === 0) return []
  return [
    `No usable ${many.slice(0, -1)} in ${list(empty.map((name) => `${name}/`))}: not counted as ${empty.length === 1 ? 'a class' : 'classes'}.`,
  ]
}

/** `a, b, c and 4 more`. */
export function list(names: readonly string[], most = 5): string {
  if (names.length <= most) return names.join(', ')
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
}
