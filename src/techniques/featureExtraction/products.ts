/** Large matrix products through the engine. */
import { type Matrix, matrix } from '../../base/matrix.js'
import { attr, emptyGraph, type Model, type ValueInfo } from '../../graph/graph.js'
import { CANONICAL_OPSET } from '../../ops/operator.js'
import type { Engine } from '../../runtime/engine.js'
import { floats } from '../../runtime/types.js'
import { HeadWriter } from './headNodes.js'

const CHUNK_ROWS = 1024

/** A model of one Gemm without bias over two float matrices, a and b. */
function gemm(transA: boolean, transB: boolean): Model {
  const graph = emptyGraph('product')
  const free = (name: string): ValueInfo => ({ name, type: 'float32', shape: [`${name}0`, `${name}1`] })
  const g = new HeadWriter('')
  g.op('Gemm', ['a', 'b'], { transA: attr.int(transA ? 1 : 0), transB: attr.int(transB ? 1 : 0) }, 'product')
  graph.nodes = [...g.nodes]
  graph.inputs = [free('a'), free('b')]
  graph.outputs = [free('product')]
  return modelOf(graph)
}

/** A graph in Graft's own opset as a model. */
export function modelOf(graph: Model['graph']): Model {
  return {
    graph,
    irVersion: 10,
    opsets: new Map([['', CANONICAL_OPSET]]),
    functions: [],
    producer: { name: 'graft', version: '' },
    metadata: new Map(),
  }
}

/** Xᵀ X of (N, D), (D, D): products in single precision, sums over blocks of rows in double. */
export async function gramThroughEngine(engine: Engine, x: Matrix, signal?: AbortSignal): Promise<Float64Array> {
  const program = await engine.load({ model: gemm(true, false), state: [] })
  const sum = new Float64Array(x.columns * x.columns)
  try {
    for (let start = 0; start < x.rows; start += CHUNK_ROWS) {
      signal?.throwIfAborted()
      const end = Math.min(x.rows, start + CHUNK_ROWS)
      const block = floats([end - start, x.columns], x.data.slice(start * x.columns, end * x.columns))
      const part = (await program.run({ a: block, b: block })).product!.data as Float32Array
      for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + part[i]!
    }
  } finally {
    await program.release()
  }
  return sum
}

/**
 * Calls `use` with A Bᵀ for one block of A's rows after another: (rows, B.rows), starting at row `start`.
 * A is (N, D), B (M, D); B stays in the engine meanwhile.
 */
export async function innerProducts(
  engine: Engine,
  a: Matrix,
  b: Matrix,
  use: (products: Matrix, start: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const name = `innerProducts${serial++}`
  const program = await engine.load({ model: gemm(false, true), state: [{ name, input: 'b' }] })
  try {
    await engine.setState({ [name]: floats([b.rows, b.columns], b.data.slice()) })
    for (let start = 0; start < a.rows; start += CHUNK_ROWS) {
      signal?.throwIfAborted()
      const end = Math.min(a.rows, start + CHUNK_ROWS)
      const block = floats([end - start, a.columns], a.data.slice(start * a.columns, end * a.columns))
      const { product } = await program.run({ a: block })
      use(matrix(end - start, b.rows, product!.data as Float32Array<ArrayBuffer>), start)
    }
  } finally {
    await program.release()
    await engine.setState({ [name]: floats([0], new Float32Array(0)) })
  }
}

let serial = 0
