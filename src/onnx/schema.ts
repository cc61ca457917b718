/**
 * The messages and fields of onnx.proto that Graft reads and writes, as data. The codec interprets this table; field
 * numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Fields that are not listed (doc strings,
 * training information, quantisation annotations, sharding, per-node metadata) describe and never compute: they are
 * skipped when reading.
 */

/** [field number, scalar kind or message name, 'repeated' where it is]. */
type Field = readonly [number, string, 'repeated'?]

export const SCHEMA = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto', 'repeated'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
    functions: [25, 'FunctionProto', 'repeated'],
  },
  OperatorSetIdProto: {
    domain: [1, 'string'],
    version: [2, 'int64'],
  },
  StringStringEntryProto: {
    key: [1, 'string'],
    value: [2, 'string'],
  },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
    valueInfo: [13, 'ValueInfoProto', 'repeated'],
    sparseInitializer: [15, 'SparseTensorProto', 'repeated'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    // Each an AttributeProto, decoded one by one so that a kind Graft does not interpret is carried as its bytes.
    attribute: [5, 'bytes', 'repeated'],
    domain: [7, 'string'],
    overload: [8, 'string'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    g: [6, 'GraphProto'],
    floats: [7, 'float', 'repeated'],
    ints: [8, 'int64', 'repeated'],
    strings: [9, 'bytes', 'repeated'],
    type: [20, 'int32'],
    refAttrName: [21, 'string'],
  },
  FunctionProto: {
    name: [1, 'string'],
    input: [4, 'string', 'repeated'],
    output: [5, 'string', 'repeated'],
    attribute: [6, 'string', 'repeated'],
    node: [7, 'NodeProto', 'repeated'],
    opsetImport: [9, 'OperatorSetIdProto', 'repeated'],
    domain: [10, 'string'],
    attributeProto: [11, 'bytes', 'repeated'],
    overload: [13, 'string'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    segment: [3, 'bytes'],
    floatData: [4, 'float', 'repeated'],
    int32Data: [5, 'int32', 'repeated'],
    stringData: [6, 'bytes', 'repeated'],
    int64Data: [7, 'int64', 'repeated'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    doubleData: [10, 'double', 'repeated'],
    uint64Data: [11, 'uint64', 'repeated'],
    externalData: [13, 'StringStringEntryProto', 'repeated'],
    dataLocation: [14, 'int32'],
  },
  SparseTensorProto: {
    values: [1, 'TensorProto'],
    indices: [2, 'TensorProto'],
    dims: [3, 'int64', 'repeated'],
  },
  ValueInfoProto: {
    name: [1, 'string'],
    type: [2, 'TypeProto'],
  },
  // Sequences, maps, optionals and sparse tensors have no entry: a value of such a type has no tensorType.
  TypeProto: {
    tensorType: [1, 'TensorTypeProto'],
  },
  TensorTypeProto: {
    elemType: [1, 'int32'],
    shape: [2, 'TensorShapeProto'],
  },
  TensorShapeProto: {
    dim: [1, 'DimensionProto', 'repeated'],
  },
  DimensionProto: {
    dimValue: [1, 'int64'],
    dimParam: [2, 'string'],
  },
} as const satisfies Record<string, Record<string, Field>>

/** AttributeProto.AttributeType, as far as Graft interprets it. */
export const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const

/** AttributeProto.AttributeType.GRAPHS: sub-graphs whose outer names would be hidden in opaque bytes. */
export const ATTRIBUTE_GRAPHS = 10

export type MessageName = keyof typeof SCHEMA

interface Scalars {
  int32: number
  int64: bigint
  uint64: bigint
  float: number
  double: number
  string: string
  bytes: Uint8Array
}

interface Packed {
  int32: Int32Array
  int64: BigInt64Array
  uint64: BigUint64Array
  float: Float32Array
  double: Float64Array
}

export type ScalarKind = keyof Scalars
export type PackedKind = keyof Packed

type One<K> = K extends ScalarKind ? Scalars[K] : K extends MessageName ? Message<K> : never
type FieldValue<F> = F extends readonly [number, infer K, 'repeated']
  ? K extends PackedKind
    ? Packed[K]
    : One<K>[]
  : F extends readonly [number, infer K]
    ? One<K>
    : never

/** A decoded message: the fields that were present. Repeated numbers are typed arrays. */
export type Message<N extends MessageName> = {
  -readonly [F in keyof (typeof SCHEMA)[N]]?: FieldValue<(typeof SCHEMA)[N][F]>
}
