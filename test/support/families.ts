/** Small networks of the families that texts are given to; test/models/families/make.py exported them from PyTorch. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { TextBackbone } from '#graft/models/textBackbone.js'
import { findTextHead } from '#graft/models/textHead.js'
import { type TextInputName, textModel } from '#graft/models/textInput.js'
import { readModel } from '#graft/onnx/reader.js'

const FOLDER = 'test/models/families'

export const FAMILIES = [
  'bert',
  'bertTokens',
  'bertEncoder',
  'distilbert',
  'roberta',
  'albert',
  'electra',
  'mpnet',
  'debertaV2',
  'modernBert',
] as const

export type FamilyName = (typeof FAMILIES)[number]

/** Tokens that the networks take at most. */
export const LONGEST = 32
/** The texts that PyTorch was given; 0 is padding. */
export const IDS = [
  [2, 9, 17, 33, 21, 8, 1],
  [2, 30, 12, 1],
]

export function family(
  name: FamilyName,
): Pick<TextBackbone, 'model' | 'head' | 'inputs' | 'maxLength' | 'pooling' | 'name'> {
  const file = readModel(gunzipSync(readFileSync(`${FOLDER}/${name}.onnx.gz`)))
  const { model, inputs } = textModel(file, name)
  const shapes = Object.fromEntries(inputs.map((input: TextInputName) => [input, [2, LONGEST]]))
  return { name, model, inputs, head: findTextHead(model, shapes, {}), maxLength: LONGEST, pooling: 'mean' }
}

/** What PyTorch computed: logits, or last hidden states. */
export function expected(name: FamilyName): { shape: number[]; values: number[] } {
  const all = JSON.parse(readFileSync(`${FOLDER}/expected.json`, 'utf8')) as Record<
    string,
    { shape: number[]; values: number[] }
  >
  return all[name] as { shape: number[]; values: number[] }
}
