/** The run file: the options that repeat a run, everything that was decided on the way filled in. */
import { paths } from '#platform'
import { VERSION } from '../../base/version.js'
import type { MemoryUse, Reproduction } from '../../evaluate/report/data.js'
import { repeatCommand, versions } from './reportParts.js'
import type { TrainOptions } from './trainOptions.js'

export type RunFile = Readonly<Record<string, unknown>>

export interface DecidedRun {
  readonly threads: number
  readonly technique: TrainOptions['technique']
  readonly epochs: number | undefined
  readonly learningRate: number | undefined
  readonly memory: MemoryUse | undefined
  /** Of contrastive training. */
  readonly rounds?: number | undefined
}

/** The clock no longer decides: what it decided is written down. */
export function runFile(options: TrainOptions, data: string | undefined, decided: DecidedRun): RunFile {
  const { out, minutes, findLr, ...rest } = options
  return {
    verb: 'train',
    version: VERSION,
    ...rest,
    data: data === undefined ? undefined : paths.resolve(data),
    out: out === undefined ? undefined : paths.resolve(out),
    threads: decided.threads,
    ...(decided.memory === undefined ? {} : { memoryUse: decided.memory }),
    technique: decided.technique,
    minutes: 'any',
    findLr: false,
    ...(decided.epochs === undefined || decided.epochs === 0 ? {} : { epochs: decided.epochs }),
    ...(decided.rounds === undefined ? {} : { rounds: decided.rounds }),
    ...(decided.learningRate === undefined ? {} : { lr: decided.learningRate }),
  }
}

export function describeRun(file: RunFile, options: TrainOptions): Reproduction {
  return {
    command: repeatCommand('train', options.out),
    file,
    versions: versions(),
  }
}
