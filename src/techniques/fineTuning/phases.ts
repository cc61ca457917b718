/** The updates that methods make besides the main one, loaded: each runs on the micro-batches of the step. */
import { STEP_OUTPUTS } from '../../optim/trainingProgram.js'
import type { Engine, LoadedProgram } from '../../runtime/engine.js'
import type { HostTensor, Program } from '../../runtime/types.js'
import type { Kept, StepMoment } from './method.js'
import type { Batch, Network, SampleShapes } from './network.js'
import type { PhaseProgram } from './programs.js'
import { ShapedPrograms } from './shaped.js'

export interface StepResult {
  readonly loss: number
  readonly finite: boolean
  readonly gradientNorm: number
}

/** Where the training is, and what the methods keep of this epoch, by method. */
export interface When extends Omit<StepMoment, 'kept'> {
  readonly kept: Readonly<Record<string, Kept>>
}

export interface FedBatch {
  readonly batch: Batch
  readonly feeds: Readonly<Record<string, HostTensor>>
}

/** The learning rates of a program's groups, by the names under which they are fed. */
export type Rates = (names: readonly string[], factor: number) => Record<string, HostTensor>

export interface Phases {
  /** Makes the updates that stand before (or after) the main one, in the order of the methods. */
  run(place: 'before' | 'after', batches: readonly FedBatch[], when: When, rates: Rates): Promise<StepResult[]>
  release(): Promise<void>
}

interface OpenPhase {
  readonly own: PhaseProgram
  readonly reads: ReadonlySet<string>
  readonly steps: ShapedPrograms
  readonly apply: LoadedProgram | undefined
}

/** @param programOf the program of the i-th phase for samples of this shape */
export async function openPhases(
  engine: Engine,
  network: Network,
  phases: readonly PhaseProgram[],
  programOf: (shapes: SampleShapes, i: number) => Program,
): Promise<Phases> {
  const open: OpenPhase[] = []
  for (const [i, own] of phases.entries())
    open.push({
      own,
      reads: readsOf(own.program.step),
      steps: new ShapedPrograms(engine, network, (shapes) => programOf(shapes, i)),
      apply: own.program.apply && (await engine.load(own.program.apply)),
    })
  return {
    async run(place, batches, when, rates) {
      const results: StepResult[] = []
      for (const { own, reads, steps, apply } of open) {
        const { phase, method, program } = own
        if ((phase.when ?? 'before') !== place) continue
        if (phase.active?.({ ...when, kept: when.kept[method.name] ?? {} }) === false) continue
        const rate = rates(program.rates, phase.rate ?? 1)
        for (let time = 0; time < (phase.times ?? 1); time++) {
          let loss = 0
          let applied: Record<string, HostTensor> = {}
          for (const { batch, feeds } of batches) {
            applied = await steps.run(batch, { ...only(feeds, reads), ...(apply ? {} : rate) })
            loss += scalarOf(applied[STEP_OUTPUTS.loss])
          }
          if (apply) applied = await apply.run(rate)
          results.push({
            loss,
            finite: scalarOf(applied[STEP_OUTPUTS.finite]) !== 0 && Number.isFinite(loss),
            gradientNorm: scalarOf(applied[STEP_OUTPUTS.gradientNorm]),
          })
        }
      }
      return results
    },
    async release() {
      for (const { steps, apply } of open) {
        await steps.release()
        await apply?.release()
      }
    },
  }
}

/** The names of everything that a program is fed or reads from the state. */
export const readsOf = (program: Program): Set<string> => new Set(program.model.graph.inputs.map(({ name }) => name))

/** The feeds that a program reads. */
export const only = <T>(feeds: Readonly<Record<string, T>>, reads: ReadonlySet<string>): Record<string, T> =>
  Object.fromEntries(Object.entries(feeds).filter(([name]) => reads.has(name)))

export function scalarOf(tensor: HostTensor | undefined): number {
  return Number(tensor?.data[0])
}
