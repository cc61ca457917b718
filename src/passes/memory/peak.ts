/** How much memory a program will need while it runs. */
import type { Graph, StaticType } from '../../graph/graph.js'
import { Arena } from './arena.js'
import { traceGraph } from './buffers.js'

export interface PeakOptions {
  /** Threads of the session. */
  readonly threads: number
  /** Types of values whose shape the file does not say. */
  readonly hidden?: ReadonlyMap<string, StaticType> | undefined
}

/** The arena keeps what it has touched, and a second run finds other pieces in it than the first; then it settles. */
const RUNS = 3

/** Bytes that onnxruntime holds after a few runs of a graph: constants, intermediate values, work space. */
export function arenaPeak(graph: Graph, { threads, hidden }: PeakOptions): number {
  const { requests, constants } = traceGraph(graph, threads, hidden)
  const arena = new Arena()
  constants.forEach((bytes, i) => {
    arena.take(-1 - i, bytes)
  })
  for (let run = 0; run < RUNS; run++)
    for (const { id, bytes, touched } of requests)
      if (bytes === undefined) arena.release(id)
      else arena.take(id, bytes, touched)
  return arena.resident
}
