/** Reading a model: other precisions, static shapes, and what is said of models that cannot be read. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GraftError } from '#graft/base/errors.js'
import { attr, type Model, type Node } from '#graft/graph/graph.js'
import { ELEMENT_TYPES, float32, int64Vector, type Tensor } from '#graft/graph/tensor.js'
import { type SpecialiseOptions, specialise } from '#graft/passes/specialise.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats } from '#graft/runtime/types.js'
import { model, node, value, weights } from '../onnx/build.js'
import { assertClose, runOnce, waves } from '../support/compare.js'

/** 1, -2, 0.5, 0 ... as binary16 bits. */
const HALVES: readonly (readonly [number, number])[] = [
  [0x3c00, 1],
  [0xc000, -2],
  [0x3800, 0.5],
  [0x0000, 0],
  [0x3555, 0.333251953125],
  [0x0001, 2 ** -24],
]

function throwsError(act: () => unknown, ...parts: readonly RegExp[]): void {
  assert.throws(act, (error) => {
    assert.ok(error instanceof GraftError, String(error))
    const text = `${error.message} ${error.remedy ?? ''}`
    for (const part of parts) assert.match(text, part)
    return true
  })
}

const read = (source: Model, options: Partial<SpecialiseOptions> = {}) =>
  specialise(source, { shapes: { x: [2, 3] }, ...options })

/** x -> nodes -> y, for x of shape (N, 3). */
const chain = (nodes: Node[], initializers: [string, Tensor][] = [], opset = 17) =>
  model(
    { inputs: [value('x', ['N', 3])], outputs: [value('y', undefined)], nodes, initializers: new Map(initializers) },
    opset,
  )

/** The largest int64 as exporters write it, in the attribute of a Constant and as a tensor. */
const END: readonly [string, Node[], [string, Tensor][]][] = [
  ['an attribute', [node('Constant', [], ['end'], { value_ints: attr.ints([2 ** 63]) })], []],
  ['an initializer', [], [['end', { type: 'int64', dims: [1], data: BigInt64Array.of(2n ** 63n - 1n) }]]],
  [
    'a tensor that is computed',
    [node('Concat', ['none', 'most'], ['end'], { axis: attr.int(0) })],
    [
      ['most', { type: 'int64', dims: [1], data: BigInt64Array.of(2n ** 63n - 1n) }],
      ['none', int64Vector([])],
    ],
  ],
]

describe('reading a model', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const [where, made, stored] of END)
    it(`slices to the end where that is the largest integer of all, in ${where}`, () => {
      const last = [node('Slice', ['x', 'start', 'end', 'axes'], ['y'])]
      const source = chain([...made, ...last], [...stored, ['start', int64Vector([-1])], ['axes', int64Vector([1])]])
      const { builder: g, value: at } = read(source)
      assert.deepEqual(g.shape(at('y')), [2, 1])
    })

  it('reads float16 and float64 weights, inputs and casts as float32', async () => {
    const values = HALVES.map(([, v]) => v)
    const stored: readonly Tensor[] = [
      { type: 'float16', dims: [2, 3], data: Uint16Array.from(HALVES, ([bits]) => bits) },
      { type: 'float64', dims: [2, 3], data: Float64Array.from(values) },
      {
        type: 'bfloat16',
        dims: [2, 3],
        data: Uint16Array.from(values, (v) => new Uint32Array(Float32Array.of(v).buffer)[0]! >>> 16),
      },
    ]
    for (const weight of stored) {
      const source = model({
        inputs: [value('x', ['N', 3], weight.type)],
        outputs: [value('y', undefined, 'float32')],
        nodes: [
          node('Constant', [], ['c'], { value: attr.tensor({ ...weight, dims: [6] }) }),
          node('Cast', ['x'], ['narrow'], { to: attr.int(ELEMENT_TYPES[weight.type]) }),
          node('Add', ['narrow', 'w'], ['sum']),
          node('Reshape', ['c', 'shape'], ['matrix']),
          node('Mul', ['sum', 'matrix'], ['product']),
          node('Cast', ['product'], ['y'], { to: attr.int(ELEMENT_TYPES.float32) }),
        ],
        initializers: new Map([
          ['w', weight],
          ['shape', int64Vector([2, 3])],
        ]),
      })
      const { builder: g, value: at } = read(source)
      assert.equal(g.typeOf('x').type, 'float32')
      assert.equal(g.typeOf('w').type, 'float32')
      g.output('out', at('y'))
      assert.ok(
        g.nodes.every((n) => n.opType !== 'Cast'),
        'casts between floats are gone',
      )
      const x = waves(1, 6)
      const { out } = await runOnce(engine, g.model(), { x: floats([2, 3], x) })
      const kept = weight.type === 'bfloat16' ? values.map(bfloat) : values
      assertClose(
        out?.data,
        kept.map((v, i) => ((x[i] as number) + v) * v),
        weight.type,
      )
    }
  })

  it('computes shapes before running, whatever the batch', () => {
    const source = chain(
      [
        node('Shape', ['x'], ['shape']),
        node('Gather', ['shape', 'zero'], ['n']),
        node('Unsqueeze', ['n', 'axis'], ['n1']),
        node('Concat', ['n1', 'rest'], ['target'], { axis: attr.int(0) }),
        node('Reshape', ['x', 'target'], ['y']),
      ],
      [
        ['zero', { type: 'int64', dims: [], data: BigInt64Array.of(0n) }],
        ['axis', int64Vector([0])],
        ['rest', int64Vector([1, -1])],
      ],
    )
    for (const batch of [1, 2, 5]) {
      const { builder: g, value: at } = read(source, { shapes: { x: [batch, 3] } })
      assert.deepEqual(g.shape(at('y')), [batch, 1, 3])
      assert.deepEqual(
        g.nodes.map((n) => n.opType),
        ['Reshape'],
      )
    }
  })

  it('reads only what the chosen outputs need', () => {
    const source = model({
      inputs: [value('x', ['N', 3]), value('unused', ['N', 7])],
      outputs: [value('y', undefined)],
      nodes: [node('Relu', ['x'], ['r']), node('Mystery', ['unused'], ['m']), node('Neg', ['r'], ['y'])],
    })
    assert.equal(read(source).builder.nodes.length, 2)
    const { builder: g } = read(source, { outputs: ['r'] })
    assert.deepEqual(
      g.nodes.map((n) => n.opType),
      ['Relu'],
    )
    throwsError(() => read(source, { outputs: ['nothing'] }), /no value "nothing"/, /graft inspect/)
  })

  it('names an unknown operator and its place', () => {
    const unknown = { ...node('Mystery', ['x'], ['y']), name: 'blocks.3/odd', domain: 'com.example' }
    throwsError(() => read(chain([unknown])), /com\.example\.Mystery blocks\.3\/odd/, /does not know/, /graft inspect/)
  })

  it('names a wrong input size, with what was declared', () => {
    const source = chain([node('Relu', ['x'], ['y'])])
    throwsError(() => read(source, { shapes: { x: [2, 4] } }), /"x"/, /\(N, 3\)/, /\(2, 4\)/)
    throwsError(() => read(source, { shapes: { x: [2, 3, 1] } }), /"x"/, /\(2, 3, 1\)/)
    throwsError(() => read(source, { shapes: {} }), /No shape is given for the graph input "x"/)
  })

  it('names the node where shapes do not fit', () => {
    throwsError(
      () => read(chain([node('Add', ['x', 'w'], ['y'])], [['w', weights([4])]])),
      /\[Add y\]/,
      /\(2,3\) and \(4\)/,
    )
    throwsError(
      () => read(chain([node('MatMul', ['x', 'w'], ['y'])], [['w', weights([4, 2])]])),
      /\[MatMul y\]/,
      /\(2,3\) and \(4,2\)/,
    )
    throwsError(
      () => read(chain([node('Gemm', ['x', 'w'], ['y'], { transB: attr.int(1) })], [['w', weights([3, 2])]])),
      /\[Gemm y\]/,
    )
    throwsError(
      () => read(chain([node('Reshape', ['x', 's'], ['y'])], [['s', int64Vector([5, -1])]])),
      /cannot reshape \(2,3\)/,
    )
    throwsError(
      () =>
        read(
          chain([
            node('Softmax', ['x'], ['y'], { axis: attr.int(2) }),
            node('Concat', ['y', 'x'], ['z'], { axis: attr.int(4) }),
          ]),
          { outputs: ['z'] },
        ),
      /axis 4 is out of range/,
    )
    const image = (w: Tensor, group = 1) =>
      model({
        inputs: [value('x', [1, 3, 4, 4])],
        outputs: [value('y', undefined)],
        nodes: [node('Conv', ['x', 'w'], ['y'], { group: attr.int(group) })],
        initializers: new Map([['w', w]]),
      })
    const shapes = { x: [1, 3, 4, 4] }
    throwsError(() => specialise(image(weights([2, 4, 3, 3])), { shapes }), /input channels 3/)
    throwsError(
      () => specialise(image(weights([4, 1, 3, 3]), 3), { shapes }),
      /4 output channels, which 3 groups do not divide/,
    )
    throwsError(() => specialise(image(weights([2, 3, 5, 5])), { shapes }), /kernel \(5,5\) larger/)
  })

  it('says that a shape depends on the data', () => {
    const source = chain([
      node('Cast', ['x'], ['i'], { to: attr.int(ELEMENT_TYPES.int64) }),
      node('Reshape', ['x', 'i'], ['y']),
    ])
    throwsError(() => read(source), /\[Reshape y\]/, /computed from the data/, /fixed sizes/)
  })

  it('names an opset out of range, a missing value and a value made twice', () => {
    throwsError(() => read(chain([node('Relu', ['x'], ['y'])], [], 6)), /opset 6/, /7 to 26/)
    throwsError(() => read(chain([node('Relu', ['nowhere'], ['y'])])), /"nowhere"/)
    throwsError(
      () => read(chain([node('Relu', ['x'], ['a']), node('Neg', ['x'], ['a']), node('Neg', ['a'], ['y'])])),
      /"a" twice/,
    )
  })

  it('refuses what it would read wrongly', () => {
    const branch = { kind: 'graph', value: chain([]).graph } as const
    throwsError(
      () => read(chain([node('If', ['x'], ['y'], { then_branch: branch, else_branch: branch })])),
      /If.*branch/,
    )
    const training: [string, Tensor][] = [
      ['ratio', float32([], [0.5])],
      ['on', { type: 'bool', dims: [], data: Uint8Array.of(1) }],
    ]
    throwsError(() => read(chain([node('Dropout', ['x', 'ratio', 'on'], ['y'])], training)), /Dropout.*training mode/)
  })
})

/** A number after rounding to bfloat16 by cutting. */
function bfloat(v: number): number {
  const bits = new Uint32Array(Float32Array.of(v).buffer)
  bits[0] = (bits[0] as number) & 0xffff0000
  return new Float32Array(bits.buffer)[0] as number
}
