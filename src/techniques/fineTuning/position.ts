/** Where a training is, and the file that brings it back there: weights, optimizer state, averages, the best so far. */
import { GraftError } from '../../base/errors.js'
import type { SafetensorsFile, StoredTensor } from '../../base/safetensors.js'
import type { HostTensor } from '../../runtime/types.js'
import type { Json } from '../run/directory.js'
import type { Kept } from './method.js'
import type { Objective } from './objective.js'

export interface EpochRecord {
  /** From 1. */
  readonly epoch: number
  readonly trainLoss: number
  readonly validationLoss: number | undefined
  /** Higher is better; what it is stands in `valueName`. */
  readonly validationValue: number | undefined
  /** Where there are classes: the share of samples (or words) that are right. */
  readonly validationAccuracy: number | undefined
  readonly valueName: Objective['valueName']
  /** The highest rate of the epoch's last step. */
  readonly learningRate: number
  readonly seconds: number
  /** Of several tasks: {@link Score.figures} on the validation samples. */
  readonly validationFigures?: Readonly<Record<string, number>>
}

/** Everything besides tensors that decides how the training goes on. */
export interface Position {
  /** From 0; the number of epochs where the training is complete. */
  readonly epoch: number
  /** Samples of the epoch's order that were used. */
  readonly consumed: number
  /** Steps in all epochs, skipped ones included. */
  readonly step: number
  readonly lossSum: number
  readonly lossCount: number
  /** Steps that were not finite, in all and in a row. */
  readonly skipped: number
  readonly skippedInRow: number
  /** Epochs since the best one. */
  readonly waited: number
  readonly best: { readonly epoch: number; readonly loss: number } | null
  readonly history: readonly EpochRecord[]
  /** What the methods that steer remember, by their names. */
  readonly steering?: Readonly<Record<string, Json>>
}

export const START: Position = {
  epoch: 0,
  consumed: 0,
  step: 0,
  lossSum: 0,
  lossCount: 0,
  skipped: 0,
  skippedInRow: 0,
  waited: 0,
  best: null,
  history: [],
}

/**
 * The position after one more step. A step that is not finite changed nothing, and does not count for the loss.
 *
 * @param used samples of the epoch's order
 */
export function stepped(position: Position, { loss, finite }: { loss: number; finite: boolean }, used = 0): Position {
  return {
    ...position,
    step: position.step + 1,
    consumed: position.consumed + used,
    lossSum: position.lossSum + (finite ? loss : 0),
    lossCount: position.lossCount + (finite ? 1 : 0),
    skipped: position.skipped + (finite ? 0 : 1),
    skippedInRow: finite ? 0 : position.skippedInRow + 1,
  }
}

/** The mean loss of the epoch's steps; NaN where none was finite. */
export function meanLoss({ lossSum, lossCount }: Position): number {
  return lossCount > 0 ? lossSum / lossCount : Number.NaN
}

export interface Snapshot {
  readonly position: Position
  /** The state store. */
  readonly state: Readonly<Record<string, HostTensor>>
  /** What the methods keep of the epoch, by method and name. */
  readonly kept?: Readonly<Record<string, Kept>>
  /** The weights of the best epoch so far, and their logits on the validation samples. */
  readonly best: Readonly<Record<string, HostTensor>> | undefined
  /** What the checkpoint belongs to; another training's is not taken. */
  readonly key: string
}

export function encodeSnapshot(snapshot: Snapshot): SafetensorsFile {
  const tensors: Record<string, StoredTensor> = {}
  for (const [name, tensor] of Object.entries(snapshot.state)) tensors[`state/${name}`] = tensor
  for (const [name, tensor] of Object.entries(snapshot.best ?? {})) tensors[`best/${name}`] = tensor
  for (const [method, kept] of Object.entries(snapshot.kept ?? {}))
    for (const [name, tensor] of Object.entries(kept)) tensors[`kept/${method}/${name}`] = tensor
  return { tensors, metadata: { key: snapshot.key, position: JSON.stringify(snapshot.position) } }
}

/** @throws GraftError where the checkpoint is of another training. */
export function decodeSnapshot(file: SafetensorsFile, key: string): Snapshot {
  if (file.metadata.key !== key)
    throw new GraftError(
      'The checkpoint belongs to another training: the data, the backbone or the options have changed.',
      {
        remedy: 'Put the photos back as they were, or start again with --overwrite.',
      },
    )
  const part = (prefix: string) =>
    Object.fromEntries(
      Object.entries(file.tensors).flatMap(([name, tensor]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [],
      ),
    )
  const best = part('best/')
  const position = JSON.parse(file.metadata.position ?? '{}') as Position
  // JSON leaves out what is undefined; the types say it is there.
  const history = position.history.map((entry) => ({
    ...entry,
    validationLoss: entry.validationLoss ?? undefined,
    validationValue: entry.validationValue ?? undefined,
    validationAccuracy: entry.validationAccuracy ?? undefined,
  }))
  return {
    key,
    position: { ...position, history },
    state: part('state/'),
    kept: keptOf(part('kept/')),
    best: Object.keys(best).length > 0 ? best : undefined,
  }
}

/** By method, then by name, from `<method>/<name>`. */
function keptOf(tensors: Readonly<Record<string, HostTensor>>): Record<string, Kept> {
  const found: Record<string, Record<string, HostTensor>> = {}
  for (const [path, tensor] of Object.entries(tensors)) {
    const at = path.indexOf('/')
    const method = path.slice(0, at)
    found[method] = { ...found[method], [path.slice(at + 1)]: tensor }
  }
  return found
}
