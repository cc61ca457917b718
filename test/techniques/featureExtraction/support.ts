/** What the classifiers' tests share. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { argmaxRows, type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import { emptyGraph } from '#graft/graph/graph.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import type { FittedHead } from '#graft/techniques/featureExtraction/head.js'
import type { FittedClassifier } from '#graft/techniques/featureExtraction/index.js'
import { appendHead } from '#graft/techniques/featureExtraction/index.js'
import { modelOf } from '#graft/techniques/featureExtraction/products.js'

/** One engine a file, closed after its tests. */
export async function sharedEngine(): Promise<Engine> {
  const engine = await openEngine({ threads: 1 })
  after(() => engine.close())
  return engine
}

/** Points around one centre a class, (classes * perClass, dimensions); `spread` 1 is the distance scale of the centres. */
export function blobs(classes: number, perClass: number, dimensions: number, spread: number, seed = 1) {
  const random = new Random(seed, 'blobs')
  const centres = Array.from({ length: classes }, () => Array.from({ length: dimensions }, () => random.normal()))
  const make = (count: number) => {
    const features = matrix(classes * count, dimensions)
    const labels = Int32Array.from({ length: classes * count }, (_, i) => i % classes)
    labels.forEach((label, i) => {
      for (let j = 0; j < dimensions; j++)
        features.data[i * dimensions + j] = centres[label]![j]! + spread * random.normal()
    })
    return { features, labels }
  }
  return { train: make(perClass), test: make(50) }
}

export function accuracyOf(logits: Matrix, labels: ArrayLike<number>): number {
  const predictions = argmaxRows(logits)
  return predictions.reduce((sum, p, i) => sum + (p === labels[i] ? 1 : 0), 0) / predictions.length
}

/** The classifier as a saved model would run it: its ONNX nodes on a graph with a dynamic batch. */
export async function throughOnnx(
  engine: Engine,
  fitted: Pick<FittedClassifier, 'classes' | 'dimensions' | 'nodes'>,
  features: Matrix,
): Promise<Matrix> {
  const graph = emptyGraph('head')
  graph.inputs = [{ name: 'x', type: 'float32', shape: ['batch', fitted.dimensions] }]
  graph.outputs = [{ name: 'logits', type: 'float32', shape: ['batch', fitted.classes] }]
  appendHead(graph, fitted.nodes('x', 'logits', 'head.'))
  const program = await engine.load({ model: modelOf(graph), state: [] })
  const { logits } = await program.run({ x: floats([features.rows, features.columns], features.data) })
  await program.release()
  return matrix(features.rows, fitted.classes, logits!.data as Float32Array<ArrayBuffer>)
}

/** The same of a head for any target. */
export function headThroughOnnx(engine: Engine, head: FittedHead, features: Matrix): Promise<Matrix> {
  return throughOnnx(engine, { ...head, classes: head.outputs }, features)
}

export function closeTo(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(found.length, expected.length, what)
  for (let i = 0; i < found.length; i++) {
    const gap = Math.abs(found[i]! - expected[i]!)
    assert.ok(
      gap <= tolerance * Math.max(1, Math.abs(expected[i]!)),
      `${what}, entry ${i}: ${found[i]}, expected ${expected[i]}`,
    )
  }
}
