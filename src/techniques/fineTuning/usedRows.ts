/**
 * Training only the rows of an embedding that occur in the samples: a text model's table of tokens is often half of its weights, and
 * a data set names a part of it.
 */
import type { Tensor } from '../../graph/tensor.js'
import { wholeTable, withUsedRows } from '../../passes/usedRows.js'
import type { HostTensor } from '../../runtime/types.js'
import type { Weights } from './method.js'
import type { Network, SampleSource } from './network.js'
import type { TuningSettings } from './settings.js'

export interface TrainedRows {
  /** With tables of the rows that occur. */
  readonly network: Network
  /** The weights with every table whole again: rows that never occurred are as they were. */
  whole(weights: Weights): Record<string, HostTensor>
}

export interface RowsQuestion {
  readonly network: Network
  readonly train: Pick<SampleSource, 'occurring'>
  readonly validation?: Pick<SampleSource, 'occurring'> | undefined
  readonly settings: Pick<TuningSettings, 'methods'>
}

type Occurring = NonNullable<SampleSource['occurring']>

/**
 * The network with tables of only those rows that the samples name; undefined where a source does not say, nothing is spared, or a
 * method holds numbers for every weight. Every gradient, and so every other weight, is what it would be with the whole table; rows
 * that never occur are left alone (weight decay would have shrunk them).
 */
export function trainedRows({ network, train, validation, settings }: RowsQuestion): TrainedRows | undefined {
  if (settings.methods?.some(({ holdsWeights }) => holdsWeights)) return undefined
  const occurring = commonOccurring(validation === undefined ? [train] : [train, validation])
  if (occurring === undefined) return undefined
  const used = Object.fromEntries(Object.entries(occurring).map(([input, numbers]) => [input, numbers()]))
  const layers = new Set(network.layers.flat())
  const found = withUsedRows(network.model, used, (parameter) => layers.has(parameter))
  if (found === undefined) return undefined
  const { initializers } = network.model.graph
  return {
    network: { ...network, model: found.model },
    whole: (weights) =>
      Object.fromEntries(
        Object.entries(weights).map(([name, tensor]) => {
          const rows = found.rows.get(name)
          if (rows === undefined) return [name, tensor]
          const before = initializers.get(name) as Tensor
          return [name, { ...tensor, dims: before.dims, data: wholeTable(before, tensor.data as Float32Array, rows) }]
        }),
      ),
  }
}

/** The numbers that occur in any of the sources, for the inputs of which all of them say; undefined where there are none. */
export function commonOccurring(sources: readonly Pick<SampleSource, 'occurring'>[]): Occurring | undefined {
  const [first, ...others] = sources.map(({ occurring }) => occurring)
  if (first === undefined) return undefined
  const names = Object.keys(first).filter((name) => others.every((own) => own?.[name] !== undefined))
  if (names.length === 0) return undefined
  const all = [first, ...(others as Occurring[])]
  return Object.fromEntries(
    names.map((name) => [name, () => Int32Array.from(new Set(all.flatMap((own) => [...own[name]!()])))]),
  )
}
