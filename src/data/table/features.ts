/**
 * Names of classes in a description of columns ("features") as Hugging Face's `datasets` writes it: in Parquet files, in
 * `dataset_infos.json`, and, differently, in the YAML of a dataset card.
 */
import { isObject } from './table.js'

/**
 * From the JSON form: `{"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}`, also within a list
 * (`{"feature": {...}, "_type": "List"}`, `[{...}]`).
 */
export function classNamesOfFeatures(features: unknown): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  if (!isObject(features)) return found
  for (const [column, feature] of Object.entries(features)) {
    const names = namesIn(feature)
    if (names !== undefined) found.set(column, names)
  }
  return found
}

/** The same in the entry `huggingface` that `datasets` leaves in the metadata of a Parquet or Arrow file. */
export function classNamesOfMetadata(kept: string | undefined): ReadonlyMap<string, readonly string[]> {
  if (kept === undefined) return new Map()
  try {
    const { info } = JSON.parse(kept) as { info?: { features?: unknown } }
    return classNamesOfFeatures(info?.features)
  } catch {
    // Another program's entry of that name: the file is read without it.
    return new Map()
  }
}

function namesIn(feature: unknown): readonly string[] | undefined {
  if (Array.isArray(feature)) return namesIn(feature[0])
  if (!isObject(feature)) return undefined
  if (feature._type === 'ClassLabel') return nameList(feature.names)
  return namesIn(feature.feature)
}

/**
 * From the form in a dataset card: `[{name: label, dtype: {class_label: {names: {'0': neg, '1': pos}}}}]`, also within
 * `sequence` or `list`.
 */
export function classNamesOfCard(features: unknown): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  if (!Array.isArray(features)) return found
  for (const feature of features) {
    if (!isObject(feature) || typeof feature.name !== 'string') continue
    const names = cardNames(feature)
    if (names !== undefined) found.set(feature.name, names)
  }
  return found
}

function cardNames(feature: unknown): readonly string[] | undefined {
  if (!isObject(feature)) return undefined
  if (isObject(feature.class_label)) return nameList(feature.class_label.names)
  for (const within of [feature.dtype, feature.sequence, feature.list]) {
    const names = cardNames(within)
    if (names !== undefined) return names
  }
  return undefined
}

/** `['neg', 'pos']`, or `{'0': 'neg', '1': 'pos'}` by number. */
function nameList(names: unknown): readonly string[] | undefined {
  if (Array.isArray(names)) return names.map(String)
  if (!isObject(names)) return undefined
  const list: string[] = []
  for (const [number, name] of Object.entries(names)) list[Number(number)] = String(name)
  return list.length > 0 && Object.keys(list).length === list.length ? list : undefined
}
