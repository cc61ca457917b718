/** The term of a method by itself: everything that it reads is an input. */

import { Random } from '#graft/base/random.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import type { Engine } from '#graft/runtime/engine.js'
import { floats, type HostTensor, scalarTensor } from '#graft/runtime/types.js'
import type {
  DomainRows,
  LossContext,
  LossTerm,
  MethodContext,
  PreparedMethod,
  TuningMethod,
} from '#graft/techniques/fineTuning/method.js'
import type { Network, SampleSource } from '#graft/techniques/fineTuning/network.js'
import { objectiveFor } from '#graft/techniques/fineTuning/objectives/index.js'
import type { TuningSettings } from '#graft/techniques/fineTuning/settings.js'
import { runOnce } from '../../support/compare.js'
import { SETTINGS, toyNetwork, toySamples } from './toy.js'

export interface Problem {
  readonly engine: Engine
  readonly network?: Network
  readonly train?: SampleSource
  readonly settings?: Partial<TuningSettings>
  readonly warnings?: string[]
}

export async function prepared(method: TuningMethod, problem: Problem): Promise<PreparedMethod> {
  const settings = { ...SETTINGS, ...problem.settings }
  const train = problem.train ?? toySamples(24)
  const context: MethodContext = {
    engine: problem.engine,
    network: problem.network ?? toyNetwork(),
    objective: objectiveFor(train.targets, settings),
    train,
    settings,
    random: new Random(1, 'method'),
    context: {
      signal: new AbortController().signal,
      warn: (message) => problem.warnings?.push(message),
      decide: () => undefined,
      progress: () => ({ advance: () => undefined, set: () => undefined }),
    },
  }
  return method.prepare(context)
}

/** Names of the inputs: `logits`, `targets`, `weights`, `places`, `rows`, `share`, `value.x`, `fixed.x`, `taught.x`, parameters. */
export function appendTerm(
  g: GraphBuilder,
  method: PreparedMethod,
  trained: readonly string[],
  domains: readonly DomainRows[] = [],
): LossTerm {
  const context: LossContext = {
    g,
    logits: 'logits',
    targets: 'targets',
    weights: 'weights',
    places: 'places',
    rows: 'rows',
    share: 'share',
    value: (name) => `value.${name}`,
    fixed: (name) => `fixed.${name}`,
    feed: (name) => `fed.${name}`,
    taught: (name) => `taught.${name}`,
    trained,
    parameter: (name) => `own.${name}`,
    held: (name) => `own.${name}`,
    memory: (name) => `memory.${name}`,
    progress: 'progress',
    domains,
  }
  return method.loss!(context)
}

/** The term's value. */
export async function termOf(
  engine: Engine,
  method: PreparedMethod,
  feeds: Readonly<Record<string, HostTensor>>,
  trained: readonly string[] = [],
): Promise<{ add: number; own: number }> {
  const g = new GraphBuilder('term')
  for (const [name, { type, dims }] of Object.entries(feeds)) g.input(name, { type, shape: dims })
  const term = appendTerm(g, method, trained)
  g.output('add', g.op('Identity', [term.add]))
  const found = await runOnce(engine, g.model(), feeds)
  const own = term.own ?? 1
  return { add: Number(found.add?.data[0]), own: typeof own === 'number' ? own : Number.NaN }
}

export const drawn = (random: Random, dims: readonly number[], scale = 1): HostTensor =>
  floats(
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * random.normal()),
  )

export const share = (value: number): HostTensor => scalarTensor(value)

/** Rows of a matrix in plain arrays. */
export const rowsOf = ({ dims, data }: HostTensor): number[][] =>
  Array.from({ length: dims[0]! }, (_, i) =>
    Array.from((data as Float32Array).subarray((i * data.length) / dims[0]!, ((i + 1) * data.length) / dims[0]!)),
  )
