/** Reading the JSON files and licence notes of a model folder, with errors that name the file. */
import { exists, readFileText } from '#platform'
import { GraftError, messageOf } from '../base/errors.js'

export type Json = Readonly<Record<string, unknown>>

/** What a folder says of its licence. */
export interface Licence {
  /** An SPDX identifier such as `apache-2.0`, or the first line of the licence's text. */
  readonly name: string | undefined
  readonly text: string | undefined
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A JSON object; undefined where there is no such file. */
export async function readJson(path: string): Promise<Json | undefined> {
  if (!(await exists(path))) return undefined
  const text = await readFileText(path)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new GraftError(`${path} is not valid JSON: ${messageOf(error)}.`, {
      remedy:
        text.trim() === ''
          ? 'The file is empty; copy it again from where the model came from.'
          : 'Correct the file or copy it again.',
      cause: error,
    })
  }
  if (!isObject(value))
    throw new GraftError(
      `${path} holds ${Array.isArray(value) ? 'a list' : `a ${typeof value}`}, expected a JSON object.`,
    )
  return value
}

/** Labels of a config.json by class number. Undefined where it has none. */
export function labelsOf(config: Json, where: string): string[] | undefined {
  const map = config.id2label
  if (map === undefined) return undefined
  const wrong = (problem: string) =>
    new GraftError(`${where}: id2label ${problem}.`, {
      remedy: 'Correct id2label: one entry a class, counted from "0".',
    })
  if (!isObject(map)) throw wrong('is not an object')
  const labels: string[] = []
  for (let i = 0; i < Object.keys(map).length; i++) {
    const label = map[String(i)]
    if (typeof label !== 'string') throw wrong(`has no text for class ${i}`)
    labels.push(label)
  }
  return labels.length === 0 ? undefined : labels
}

const LICENCE_FILES = ['LICENSE', 'LICENSE.txt', 'LICENSE.md', 'LICENCE']

/** Entries of the front matter of a folder's README: one line of text each, or the first of a list. */
export async function readCard(folder: string, ...names: readonly string[]): Promise<(string | undefined)[]> {
  const readme = (await exists(`${folder}/README.md`)) ? await readFileText(`${folder}/README.md`) : ''
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(readme)?.[1] ?? ''
  return names.map(
    (name) =>
      new RegExp(`^${name}:[ \\t]*(?:\\r?\\n[ \\t]*-[ \\t]*)?["']?([^"'\\s][^"'\\r\\n]*?)["']?[ \\t]*\\r?$`, 'm').exec(
        front,
      )?.[1],
  )
}

/** The licence file, and the name that the README's front matter gives it. */
export async function readLicence(folder: string): Promise<Licence | undefined> {
  let text: string | undefined
  for (const file of LICENCE_FILES)
    if (text === undefined && (await exists(`${folder}/${file}`))) text = await readFileText(`${folder}/${file}`)
  const [named] = await readCard(folder, 'licen[sc]e')
  const firstLine = text
    ?.split('\n')
    .find((line) => line.trim() !== '')
    ?.trim()
  return named === undefined && text === undefined ? undefined : { name: named ?? firstLine, text }
}
