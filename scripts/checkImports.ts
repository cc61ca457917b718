/**
 * The import direction: `src` is a stack of rooms, and a room imports from its own level and from below, never from above.
 * And the browser entry: nothing that it loads needs Node. Prints every import that goes against it, with the rule, and exits
 * with 1. Cycles between files are the linter's business.
 */
import { readFile } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { glob } from 'tinyglobby'
import { checkBrowser } from './checkBrowser.js'
import { importsOf, type Violation } from './imports.js'

/** From the bottom to the top. */
const LEVELS = [
  ['graph'],
  ['ops', 'onnx'],
  ['autodiff', 'passes'],
  ['models', 'losses', 'optim', 'runtime'],
  ['techniques'],
  ['tasks'],
  ['cli'],
] as const

/** Rooms beside the engine: they know nothing of it, and are known from the techniques up. */
const BESIDE = ['data', 'evaluate']
const KNOWS_BESIDE = LEVELS.findIndex((rooms) => rooms.some((room) => room === 'techniques'))

/** Single files that a room may import besides. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  models: ['data/preprocessor', 'data/tokenizer'],
  // The script that a browser starts as a worker: a program of its own.
  'platform/browser/worker.ts': ['runtime/worker'],
}

/** The entries of the package: they give out what the rooms hold. */
const ENTRIES = ['index', 'browser']

/** Packages that belong to one room (or a part of it); Node's own modules stand as `node:`. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  'node:': ['platform/node', 'cli'],
  'onnxruntime-node': ['runtime/onnxruntime'],
  'onnxruntime-common': ['runtime/onnxruntime'],
  'onnxruntime-web/wasm': ['runtime/onnxruntime'],
  '#onnxruntime': ['runtime'],
  sharp: ['platform/node'],
  tinyglobby: ['platform/node'],
  commander: ['cli'],
  '@huggingface/hub': ['models/hub'],
}

/**
 * Why a file of `src` may not import something; undefined where it may.
 *
 * @param file path below `src`, with `/`
 * @param imported what the import statement names
 */
export function ruleAgainst(file: string, imported: string): string | undefined {
  if (!imported.startsWith('.')) return ruleAgainstPackage(file, imported)
  const target = join(file, '..', imported).split(sep).join('/').replace(/\.js$/, '')
  const from = roomOf(file)
  const to = roomOf(target)
  if (target.startsWith('runtime/onnxruntime/')) return 'onnxruntime is imported as #onnxruntime'
  if (from === to || to === 'base') return undefined
  if (EXCEPTIONS[file]?.includes(target)) return undefined
  if (to === 'platform') return 'what depends on the platform is imported as #platform'
  if (ENTRIES.includes(from)) return to === 'cli' ? 'the library does not need the command line' : undefined
  if (ENTRIES.includes(to)) return 'the rooms do not import the library they make up'
  if (EXCEPTIONS[from]?.includes(target)) return undefined
  const height = levelOf(from)
  if (height < 0) return `${from} imports only base and #platform`
  if (BESIDE.includes(to)) return height >= KNOWS_BESIDE ? undefined : `${from} lies below ${to}'s users`
  const depth = levelOf(to)
  if (depth < 0) return `there is no room called ${to}`
  return depth <= height ? undefined : `${from} lies below ${to}`
}

function ruleAgainstPackage(file: string, imported: string): string | undefined {
  const name = imported.startsWith('node:') ? 'node:' : imported
  const owners = OWNERS[name]
  if (owners === undefined || owners.some((owner) => file.startsWith(`${owner}/`))) return undefined
  return `only ${owners.join(' and ')} import${owners.length === 1 ? 's' : ''} ${name === 'node:' ? "Node's modules" : name}`
}

/** The first folder below `src`; a file that lies in `src` itself is a room of its own. */
function roomOf(path: string): string {
  const end = path.indexOf('/')
  return end < 0 ? path.replace(/\.ts$/, '') : path.slice(0, end)
}

function levelOf(room: string): number {
  return LEVELS.findIndex((rooms) => rooms.some((name) => name === room))
}

export async function checkImports(folder: string): Promise<Violation[]> {
  const files = (await glob('**/*.ts', { cwd: folder })).sort()
  const checked = files.map(async (file) => {
    const source = await readFile(join(folder, file), 'utf8')
    return importsOf(source).flatMap((imported) => {
      const rule = ruleAgainst(file, imported)
      return rule === undefined ? [] : [{ file, imported, rule }]
    })
  })
  return (await Promise.all(checked)).flat()
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  const violations = [...(await checkImports('src')), ...(await checkBrowser('.'))]
  for (const { file, imported, rule } of violations)
    console.error(`${relative('.', join('src', file))} imports '${imported}': ${rule}`)
  if (violations.length > 0) {
    console.error('The rooms and their order are in docs/architecture.md.')
    process.exitCode = 1
  }
}
