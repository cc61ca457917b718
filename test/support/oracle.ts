/** Gradients that PyTorch computed in float64 for real architectures, where the shared folder is present. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { decodeSafetensors } from '#graft/base/safetensors.js'
import type { Model } from '#graft/graph/graph.js'
import { readModel } from '#graft/onnx/reader.js'
import { type BatchNormMode, specialise } from '#graft/passes/specialise.js'
import { supportsOf } from '#graft/passes/support.js'
import type { Engine } from '#graft/runtime/engine.js'
import type { HostTensor } from '#graft/runtime/types.js'

/** Tests run from the project's root. */
const ORACLE = resolve('../shared/oracle')

/** Why a test that needs the cases is skipped; false where they are present. */
export const skipOracle: string | false = existsSync(ORACLE)
  ? false
  : 'the reference gradients (../shared/oracle) are absent'

export function oracleCases(): string[] {
  if (skipOracle) return []
  return readdirSync(ORACLE)
    .filter((name) => existsSync(join(ORACLE, name, 'meta.json')))
    .sort()
}

interface OracleMeta {
  readonly rtol: number
  readonly atol: number
  /** Gradients that are exactly zero in theory: only atol counts. */
  readonly near_zero: readonly string[]
}

export interface OracleCase {
  readonly model: Model
  readonly meta: OracleMeta
  /** `input.x`, `cotangent.y`, `grad.w`, `grad_input.x`. */
  readonly tensors: Readonly<Record<string, HostTensor>>
}

export const casePath = (name: string, file: string): string => join(ORACLE, name, file)

/** Rows that have no gradient by torch's padding_idx, which no ONNX graph says. */
export const PADDED: ReadonlyMap<string, Readonly<Record<string, readonly number[]>>> = new Map([
  ['bert_pooler', { 'net.embeddings.word_embeddings.weight': [0] }],
  ['electra_discriminator', { 'net.electra.embeddings.word_embeddings.weight': [0] }],
  ['modernbert', { 'net.decoder.weight': [0] }],
  ['opt_lm', { 'net.lm_head.weight': [1] }],
  [
    'roberta_token_classifier',
    {
      'net.roberta.embeddings.position_embeddings.weight': [1],
      'net.roberta.embeddings.word_embeddings.weight': [1],
    },
  ],
  ['mpnet', { 'net.embeddings.position_embeddings.weight': [1], 'net.embeddings.word_embeddings.weight': [1] }],
])

export function readCase(name: string): OracleCase {
  const folder = join(ORACLE, name)
  return {
    model: readModel(readFileSync(join(folder, 'model.onnx'))),
    meta: JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as OracleMeta,
    tensors: decodeSafetensors(readFileSync(join(folder, 'case.safetensors'))).tensors,
  }
}

/** What this version does not differentiate: operators without a row or with a refused gradient. */
export function beyond(model: Model): string[] {
  const names = new Set<string>()
  const supports = supportsOf(model)
  for (const node of model.graph.nodes) {
    const { kind } = supports(node)
    if (kind === 'unknown' || kind === 'refuse')
      names.add(node.domain === '' ? node.opType : `${node.domain}.${node.opType}`)
  }
  return [...names].sort()
}

export interface Comparison {
  /** Tensors that are further away than the case allows, with the distance. */
  readonly failures: readonly string[]
  readonly compared: number
}

/** All gradients of a case against PyTorch's: max |a - b| <= rtol max |b| + atol, each tensor. */
export async function compareCase(engine: Engine, oracle: OracleCase, batchNorm: BatchNormMode): Promise<Comparison> {
  const { model, meta, tensors } = oracle
  const shapes: Record<string, readonly number[]> = {}
  const feeds: Record<string, HostTensor> = {}
  for (const { name } of model.graph.inputs) {
    const tensor = tensors[`input.${name}`]
    if (!tensor) continue
    shapes[name] = tensor.dims
    feeds[name] = tensor
  }
  const forward = specialise(model, { shapes, batchNorm })
  const g = forward.builder
  const seeds = new Map<string, string>()
  for (const { name } of model.graph.outputs) {
    const cotangent = tensors[`cotangent.${name}`]
    if (!cotangent) continue
    seeds.set(forward.value(name), g.input(`cotangent.${name}`, { type: 'float32', shape: cotangent.dims }))
    feeds[`cotangent.${name}`] = cotangent
  }
  const expected = new Map<string, HostTensor>()
  for (const [key, tensor] of Object.entries(tensors)) {
    const target = /^grad(?:_input)?\.(.*)$/s.exec(key)?.[1]
    if (target !== undefined) expected.set(target, tensor)
  }
  const gradients = differentiate(g, seeds, [...expected.keys()])
  for (const [target, value] of gradients) g.output(`gradient of ${target}`, value)
  const program = await engine.load({ model: g.model(), state: [] })
  const results = await program.run(feeds)
  await program.release()

  return compareTensors(meta, expected, (target) => results[`gradient of ${target}`])
}

/** Every expected tensor against the one found; an absent one stands for zeros. */
export function compareTensors(
  meta: OracleMeta,
  expected: ReadonlyMap<string, HostTensor>,
  find: (target: string) => HostTensor | undefined,
  /** The tensor's name in the model. */
  nameOf = (target: string) => target,
): Comparison {
  const failures: string[] = []
  for (const [target, { data }] of expected) {
    const found = find(target)?.data ?? new Float32Array(data.length)
    let largest = 0
    let difference = found.length === data.length ? 0 : Number.POSITIVE_INFINITY
    for (let i = 0; i < data.length; i++) {
      largest = Math.max(largest, Math.abs(Number(data[i])))
      // Written so that a NaN stays.
      const off = Math.abs(Number(found[i]) - Number(data[i]))
      if (!(off <= difference)) difference = off
    }
    const allowed = meta.near_zero.includes(nameOf(target)) ? meta.atol : meta.rtol * largest + meta.atol
    if (!(difference <= allowed)) failures.push(`${target}: off by ${difference}, allowed ${allowed}`)
  }
  return { failures, compared: expected.size }
}
