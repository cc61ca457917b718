/** One way of making the model, finished: what it says of the source and of the target, and what would be saved of it. */
import type { Matrix } from '../../base/matrix.js'
import type { SafetensorsFile, StoredTensor } from '../../base/safetensors.js'
import type { HostTensor } from '../../runtime/types.js'
import type { LinearHead } from '../../techniques/featureExtraction/classifier.js'
import type { AdaptedHead, HeadOutputs } from './head.js'

/** What is saved of a candidate. */
export type Kept =
  /** A head on the features of the backbone as it is. */
  | { readonly kind: 'head'; readonly head: AdaptedHead }
  /** Trained parameters of the backbone with a linear head, by the stored value's name. */
  | { readonly kind: 'network'; readonly weights: Readonly<Record<string, HostTensor>> }

export interface AdaptationCandidate {
  /** Short, all different: 'source-only', 'mcc'. */
  readonly name: string
  /** For people. */
  readonly title: string
  /** Authors, year, title, arXiv; undefined for what needs none. */
  readonly paper: string | undefined
  readonly kept: Kept
  /** Of held-out samples of the sources, in their order. */
  readonly source: HeadOutputs
  /** Of samples of the sources that were trained on. */
  readonly train: HeadOutputs
  readonly target: HeadOutputs
  /** Share of the target's predictions that changed, by epoch of training; empty where there are no epochs. */
  readonly drift: readonly number[]
  /** Seconds that making it took. */
  readonly seconds: number
  /** Of a step, milliseconds; undefined where there are no steps. */
  readonly stepMs: number | undefined
}

/** What a run that goes on needs of a finished candidate. */
export function encodeCandidate(candidate: AdaptationCandidate, key: string): SafetensorsFile {
  const tensors: Record<string, StoredTensor> = {}
  const add = (name: string, { rows, columns, data }: Matrix) => {
    tensors[name] = { type: 'float32', dims: [rows, columns], data }
  }
  for (const part of PARTS) {
    add(`${part}/logits`, candidate[part].logits)
    add(`${part}/features`, candidate[part].features)
  }
  const { kept } = candidate
  if (kept.kind === 'head') {
    const { affine, layers } = kept.head
    layers.forEach(({ weight, bias }, i) => {
      add(`head/weight.${i}`, weight)
      tensors[`head/bias.${i}`] = { type: 'float32', dims: [bias.length], data: bias }
    })
    if (affine !== undefined)
      // Doubles as bytes: a resumed run is to save the very same numbers.
      for (const [name, values] of [
        ['mean', affine.mean],
        ['scale', affine.scale],
      ] as const)
        tensors[`head/${name}`] = {
          type: 'uint8',
          dims: [values.byteLength],
          data: new Uint8Array(values.slice().buffer),
        }
  } else for (const [name, tensor] of Object.entries(kept.weights)) tensors[`network/${name}`] = tensor
  const { name, title, paper, drift, seconds, stepMs } = candidate
  return { tensors, metadata: { key, candidate: JSON.stringify({ name, title, paper, drift, seconds, stepMs }) } }
}

const PARTS = ['source', 'train', 'target'] as const

/** Undefined where the file is of another run's candidate. */
export function decodeCandidate({ tensors, metadata }: SafetensorsFile, key: string): AdaptationCandidate | undefined {
  if (metadata.key !== key) return undefined
  const told = JSON.parse(metadata.candidate ?? '{}') as Pick<
    AdaptationCandidate,
    'name' | 'title' | 'drift' | 'seconds'
  > & {
    paper?: string
    stepMs?: number
  }
  const read = (name: string): Matrix => {
    const { dims, data } = tensors[name]!
    return { rows: dims[0]!, columns: dims[1]!, data: data as Float32Array }
  }
  const part = (name: (typeof PARTS)[number]): HeadOutputs => ({
    logits: read(`${name}/logits`),
    features: read(`${name}/features`),
  })
  const weights = Object.entries(tensors).flatMap(([name, tensor]) =>
    name.startsWith('network/') ? [[name.slice('network/'.length), tensor] as const] : [],
  )
  return {
    ...told,
    paper: told.paper,
    stepMs: told.stepMs,
    kept:
      weights.length > 0
        ? { kind: 'network', weights: Object.fromEntries(weights) }
        : { kind: 'head', head: headOf(tensors, read) },
    source: part('source'),
    train: part('train'),
    target: part('target'),
  }
}

function headOf(tensors: SafetensorsFile['tensors'], read: (name: string) => Matrix): AdaptedHead {
  const layers: LinearHead[] = []
  for (let i = 0; tensors[`head/weight.${i}`] !== undefined; i++)
    layers.push({ weight: read(`head/weight.${i}`), bias: tensors[`head/bias.${i}`]!.data as Float32Array })
  const doubles = (name: string) => new Float64Array((tensors[name]!.data as Uint8Array).slice().buffer)
  const affine =
    tensors['head/mean'] === undefined ? undefined : { mean: doubles('head/mean'), scale: doubles('head/scale') }
  return { affine, layers }
}
