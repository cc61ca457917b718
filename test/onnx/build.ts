/** Small models made by hand, for tests that need a certain shape of graph. */
import { type Attribute, emptyGraph, type Graph, type Model, type Node, type ValueInfo } from '#graft/graph/graph.js'
import { float32, type Tensor } from '#graft/graph/tensor.js'

export function node(
  opType: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, Attribute> = {},
): Node {
  return {
    name: outputs[0] ?? '',
    opType,
    domain: '',
    inputs,
    outputs,
    attributes: new Map(Object.entries(attributes)),
  }
}

export function value(name: string, shape: ValueInfo['shape'], type: ValueInfo['type'] = 'float32'): ValueInfo {
  return { name, type, shape }
}

/** A tensor of small numbers that differ. */
export function weights(dims: readonly number[], seed = 1): Tensor {
  const size = dims.reduce((a, b) => a * b, 1)
  return float32(
    dims,
    Float32Array.from({ length: size }, (_, i) => Math.sin(seed * 12.9898 + i * 0.71) / Math.sqrt(dims[1] ?? 1)),
  )
}

export function model(parts: Partial<Graph>, opset = 17, irVersion = 8): Model {
  return {
    graph: { ...emptyGraph('test'), ...parts },
    irVersion,
    opsets: new Map([['', opset]]),
    functions: [],
    producer: { name: 'test', version: '' },
    metadata: new Map(),
  }
}
