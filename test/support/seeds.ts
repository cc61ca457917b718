/** Real files to damage: the small networks of the tests, and the smallest reference cases where they are present. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { writeModel } from '#graft/onnx/writer.js'
import { halfModel, quantisedModel } from './narrowBackbone.js'
import { tinyModel } from './tinyBackbone.js'

const ORACLE = resolve('../shared/oracle')

/** @param largest of reference files, in bytes; damage to a graph says the same about small weights as about large ones */
export function seedFiles(largest: number): { name: string; bytes: Uint8Array }[] {
  const own = [
    { name: 'tiny', bytes: writeModel(tinyModel()) },
    { name: 'half', bytes: writeModel(halfModel()) },
    { name: 'int8', bytes: writeModel(quantisedModel()) },
  ]
  const paths = existsSync(ORACLE)
    ? readdirSync(ORACLE)
        .sort()
        .map((name) => join(ORACLE, name, 'model.onnx'))
    : []
  const cases = paths
    .filter((path) => existsSync(path) && statSync(path).size <= largest)
    .map((path) => ({ name: path, bytes: new Uint8Array(readFileSync(path)) }))
  return [...own, ...cases]
}
