/** One use of an operator: its inputs and attributes. The same cases serve gradients, shapes and constant folding. */
import { Random } from '#graft/base/random.js'
import { type Attribute, attr } from '#graft/graph/graph.js'
import { float32, int64, sizeOf, type Tensor } from '#graft/graph/tensor.js'
import { CANONICAL_OPSET } from '#graft/ops/operator.js'
import type { HostTensor } from '#graft/runtime/types.js'
import { type Draw, normal } from '../../support/draw.js'
import { SEED } from '../../support/gradients.js'

export type CaseInput =
  /** Drawn, fed and differentiated. */
  | { readonly kind: 'vary'; readonly dims: readonly number[]; readonly draw: Draw }
  /** Fed, not differentiated: indices, conditions. */
  | { readonly kind: 'feed'; readonly tensor: HostTensor }
  /** Known before running: shapes, axes, bounds. */
  | { readonly kind: 'constant'; readonly tensor: Tensor }
  | { readonly kind: 'omitted' }

export interface OperatorCase {
  readonly opType: string
  readonly domain: string
  readonly label: string
  readonly inputs: readonly CaseInput[]
  readonly attributes: Readonly<Record<string, Attribute>>
  /** Number of outputs. */
  readonly outputs: number
  /** The opset whose form the case has. */
  readonly opset: number
  /** The outputs, where onnxruntime cannot say them. */
  readonly expected?: readonly (readonly number[])[]
}

export interface CaseOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>
  readonly outputs?: number
  readonly domain?: string
  readonly opset?: number
  readonly expected?: readonly (readonly number[])[]
  /** Says what is special about it. */
  readonly note?: string
}

export function use(opType: string, inputs: readonly CaseInput[], options: CaseOptions = {}): OperatorCase {
  const attributes = options.attributes ?? {}
  const domain = options.domain ?? ''
  const shapes = inputs
    .map((input) => (input.kind === 'omitted' ? '-' : `(${input.kind === 'vary' ? input.dims : input.tensor.dims})`))
    .join(' ')
  const settings = Object.entries(attributes).map(
    ([name, a]) => `${name}=${a.kind === 'graph' ? 'graph' : String(a.value)}`,
  )
  const fixed = inputs.flatMap((input) =>
    input.kind === 'constant' && input.tensor.data.length < 9
      ? [`[${Array.from(input.tensor.data as Float32Array)}]`]
      : [],
  )
  const version = options.opset === undefined ? '' : `opset ${options.opset}`
  const label = [domain, opType, version, shapes, ...fixed, ...settings, options.note ?? '']
    .filter((part) => part !== '')
    .join(' ')
  const { outputs = 1, opset = CANONICAL_OPSET, expected } = options
  return { opType, domain, label, inputs, attributes, outputs, opset, ...(expected ? { expected } : {}) }
}

export const x = (dims: readonly number[], draw: Draw = normal): CaseInput => ({ kind: 'vary', dims, draw })
export const omitted: CaseInput = { kind: 'omitted' }
export const ints = (...values: number[]): CaseInput => ({ kind: 'constant', tensor: int64([values.length], values) })
export const scalarInt = (value: number): CaseInput => ({ kind: 'constant', tensor: int64([], [value]) })
export const number = (value: number): CaseInput => ({ kind: 'constant', tensor: float32([], [value]) })
export const constant = (tensor: Tensor): CaseInput => ({ kind: 'constant', tensor })

/** Integers that are fed. */
export const whole = (
  dims: readonly number[],
  values: readonly number[],
  type: 'int64' | 'int32' = 'int64',
): CaseInput => ({
  kind: 'feed',
  tensor: { type, dims, data: type === 'int64' ? BigInt64Array.from(values, BigInt) : Int32Array.from(values) },
})

/** Floats that are fed and not differentiated. */
export const plain = (dims: readonly number[], values: readonly number[]): CaseInput => ({
  kind: 'feed',
  tensor: { type: 'float32', dims, data: Float32Array.from(values) },
})

/** A condition of the shape: true at every place whose bit in the pattern is set. */
export const truth = (dims: readonly number[], pattern = 0b1011001): CaseInput => ({
  kind: 'feed',
  tensor: { type: 'bool', dims, data: Uint8Array.from({ length: sizeOf(dims) }, (_, i) => (pattern >> (i % 7)) & 1) },
})

/** The inputs of a case with their values: by name, and the names in order ('' where omitted). */
export function drawn(operatorCase: OperatorCase): {
  names: string[]
  vary: Record<string, HostTensor>
  feeds: Record<string, HostTensor>
  constants: Record<string, Tensor>
} {
  const vary: Record<string, HostTensor> = {}
  const feeds: Record<string, HostTensor> = {}
  const constants: Record<string, Tensor> = {}
  const names = operatorCase.inputs.map((input, i) => {
    const name = `input ${i}`
    if (input.kind === 'omitted') return ''
    if (input.kind === 'constant') constants[name] = input.tensor
    else if (input.kind === 'feed') feeds[name] = input.tensor
    else {
      const random = new Random(SEED, operatorCase.label, i)
      vary[name] = { type: 'float32', dims: input.dims, data: input.draw(random, sizeOf(input.dims)) }
    }
    return name
  })
  return { names, vary, feeds, constants }
}

export const int = attr.int
export const float = attr.float
export const list = (...values: number[]): Attribute => attr.ints(values)
export const text = attr.string
