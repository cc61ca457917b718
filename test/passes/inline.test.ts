/**
 * Branches, loops, functions, sequences and optional values: a specialised model computes what onnxruntime computes of the
 * original, without any of them left in the program.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GraftError } from '#graft/base/errors.js'
import {
  type Attribute,
  attr,
  emptyGraph,
  type Graph,
  type Model,
  type ModelFunction,
  type Node,
} from '#graft/graph/graph.js'
import { ELEMENT_TYPES, int64Vector, type Tensor } from '#graft/graph/tensor.js'
import { specialise } from '#graft/passes/specialise.js'
import { supportsOf } from '#graft/passes/support.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { model, node, value, weights } from '../onnx/build.js'
import { assertClose, runOnce, waves } from '../support/compare.js'

const graph = (parts: Partial<Graph>): Attribute => ({ kind: 'graph', value: { ...emptyGraph('inner'), ...parts } })
const number = (v: number): Tensor => ({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(v)) })
const truth = (v: boolean): Tensor => ({ type: 'bool', dims: [], data: Uint8Array.of(v ? 1 : 0) })
const stored = (entries: Record<string, Tensor>) => new Map(Object.entries(entries))
const named = (name: string, made: Node): Node => ({ ...made, name })

/** x (4, 3) -> nodes -> y. */
function network(
  nodes: Node[],
  initializers: Record<string, Tensor> = {},
  more: Partial<Model> = {},
  opset = 17,
): Model {
  const made = model(
    { inputs: [value('x', ['N', 3])], outputs: [value('y', undefined)], nodes, initializers: stored(initializers) },
    opset,
    10,
  )
  return { ...made, ...more, opsets: new Map([...made.opsets, ...(more.opsets ?? [])]) }
}

const read = (source: Model) => specialise(source, { shapes: { x: [4, 3] } })

function refuses(source: Model, ...parts: readonly RegExp[]): void {
  assert.throws(
    () => read(source),
    (error) => {
      assert.ok(error instanceof GraftError, String(error))
      const text = `${error.message} ${error.remedy ?? ''}`
      for (const part of parts) assert.match(text, part)
      return true
    },
  )
}

/** if (columns of x == size) then Squeeze-like branch, reading x and w from outside. */
const chosen = (size: number): Model =>
  network(
    [
      node('Shape', ['x'], ['s']),
      node('Gather', ['s', 'one'], ['columns']),
      node('Equal', ['columns', 'size'], ['is']),
      named(
        'choice',
        node('If', ['is'], ['picked'], {
          then_branch: graph({
            outputs: [value('r', undefined)],
            nodes: [node('Mul', ['x', 'w'], ['t']), node('Add', ['t', 'shift'], ['r'])],
            initializers: stored({ shift: weights([3], 5) }),
          }),
          else_branch: graph({ outputs: [value('r', undefined)], nodes: [node('Sigmoid', ['later'], ['r'])] }),
        }),
      ),
      node('Neg', ['x'], ['later']),
      node('Tanh', ['picked'], ['y']),
    ],
    { one: number(1), size: number(size), w: weights([3], 2) },
  )

const body = (parts: Partial<Graph>, states: readonly string[]): Attribute =>
  graph({
    inputs: [value('i', [], 'int64'), value('going', [], 'bool'), ...states.map((s) => value(s, undefined))],
    ...parts,
  })

/** h <- tanh(h w + x_i), giving out every h: a recurrent network over the rows of x. */
const recurrent = (more: Node[] = [], inputs = ['count', '', 'h0'], condition = 'going'): Model =>
  network(
    [
      named(
        'steps',
        node('Loop', inputs, ['h', 'all'], {
          body: body(
            {
              outputs: [value(condition, [], 'bool'), value('next', undefined), value('out', undefined)],
              nodes: [
                node('Gather', ['x', 'i'], ['row'], { axis: attr.int(0) }),
                node('MatMul', ['before', 'w'], ['product']),
                node('Add', ['product', 'row'], ['sum']),
                node('Tanh', ['sum'], ['next']),
                node('Identity', ['next'], ['out']),
                ...more,
              ],
              initializers: stored({ w: weights([3, 3], 3) }),
            },
            ['before'],
          ),
        }),
      ),
      node('ReduceSum', ['all'], ['total']),
      node('Add', ['h', 'total'], ['y']),
    ],
    { count: number(4), h0: weights([3], 4), two: number(2), yes: truth(true) },
  )

const scanned = (attributes: Record<string, Attribute>, x = 'x'): Model =>
  network(
    [
      node('Transpose', ['x'], ['turned'], { perm: attr.ints([1, 0]) }),
      node('Scan', ['h0', x], ['h', 'all'], {
        num_scan_inputs: attr.int(1),
        body: graph({
          inputs: [value('before', [3]), value('row', [3])],
          outputs: [value('next', [3]), value('out', [3])],
          nodes: [
            node('MatMul', ['before', 'w'], ['product']),
            node('Add', ['product', 'row'], ['sum']),
            node('Tanh', ['sum'], ['next']),
            node('Neg', ['next'], ['out']),
          ],
        }),
        ...attributes,
      }),
      node('ReduceMax', ['h'], ['top'], { keepdims: attr.int(0) }),
      node('Mul', ['all', 'top'], ['y']),
    ],
    { h0: weights([3], 4), w: weights([3, 3], 3) },
  )

const parted = (inputs: string[], attributes: Record<string, Attribute>, at: string): Model =>
  network(
    [
      node('SplitToSequence', ['x', ...inputs], ['parts'], attributes),
      node('SequenceAt', ['parts', at], ['one']),
      node('Mul', ['one', 'one'], ['y']),
    ],
    { sizes: int64Vector([1, 2]), chunk: number(2), zero: number(0), last: number(-1) },
  )

const fn = (
  parts: Partial<ModelFunction> & Pick<ModelFunction, 'name' | 'inputs' | 'outputs' | 'nodes'>,
): ModelFunction => ({
  domain: 'local',
  overload: '',
  attributes: [],
  attributeDefaults: new Map(),
  opsets: new Map([
    ['', 17],
    ['local', 1],
  ]),
  ...parts,
})
const call = (name: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}): Node => ({
  ...node(name, inputs, outputs, attributes),
  domain: 'local',
})
const reference = (name: string, own: string, code: number): Attribute => ({
  kind: 'reference',
  name,
  // AttributeProto: name = 1, type = 20, ref_attr_name = 21
  value: Uint8Array.from([
    ...[0x0a, own.length, ...new TextEncoder().encode(own)],
    ...[0xa0, 0x01, code],
    ...[0xaa, 0x01, name.length, ...new TextEncoder().encode(name)],
  ]),
})
const local = new Map([['local', 1]])

const MODELS: Readonly<Record<string, Model>> = {
  'an If whose condition is a shape, the first branch': chosen(3),
  'an If whose condition is a shape, the second branch': chosen(7),
  'a Loop with a count': recurrent(),
  'a Loop with a count and a condition': recurrent([node('Identity', ['going'], ['on'])], ['count', 'yes', 'h0'], 'on'),
  'a Loop that its body ends': recurrent([node('Less', ['i', 'two'], ['on'])], ['count', 'yes', 'h0'], 'on'),
  'a Loop that only its body ends': recurrent([node('Less', ['i', 'two'], ['on'])], ['', 'yes', 'h0'], 'on'),
  'a Loop whose body ends it although no condition is given': recurrent(
    [node('Less', ['i', 'two'], ['on'])],
    ['count', '', 'h0'],
    'on',
  ),
  'a Scan': scanned({}),
  'a Scan backwards': scanned({ scan_input_directions: attr.ints([1]) }),
  'a Scan whose output is turned': scanned({
    scan_output_directions: attr.ints([1]),
    scan_output_axes: attr.ints([-1]),
  }),
  'a Scan along the second axis': scanned({ scan_input_axes: attr.ints([1]) }, 'turned'),
  'a Scan along the last axis': scanned(
    { scan_input_axes: attr.ints([-1]), scan_input_directions: attr.ints([1]) },
    'turned',
  ),
  'a split in sizes': parted(['sizes'], { axis: attr.int(1) }, 'last'),
  'a split in equal parts': parted(['chunk'], { axis: attr.int(-1) }, 'last'),
  'a split along the batch': parted(['chunk'], {}, 'zero'),
  'a split in ones': parted([], { axis: attr.int(1) }, 'last'),
  'a split in ones without the axis': parted([], { axis: attr.int(1), keepdims: attr.int(0) }, 'last'),
  'sequences built, changed and joined': network(
    [
      node('Neg', ['x'], ['minus']),
      node('SequenceConstruct', ['x', 'minus'], ['s0']),
      node('Exp', ['x'], ['e']),
      node('SequenceInsert', ['s0', 'e'], ['s1']),
      node('SequenceInsert', ['s1', 'e', 'one'], ['s2']),
      node('SequenceErase', ['s2', 'zero'], ['s3']),
      node('Identity', ['s3'], ['s4']),
      node('SequenceLength', ['s4'], ['n']),
      node('Cast', ['n'], ['size'], { to: attr.int(ELEMENT_TYPES.float32) }),
      node('ConcatFromSequence', ['s4'], ['wide'], { axis: attr.int(1) }),
      node('ConcatFromSequence', ['s4'], ['deep'], { axis: attr.int(-1), new_axis: attr.int(1) }),
      node('ReduceSum', ['deep'], ['sum']),
      node('Mul', ['wide', 'size'], ['scaled']),
      node('Add', ['scaled', 'sum'], ['y']),
    ],
    { one: number(1), zero: number(0) },
  ),
  'a Loop that fills a sequence': network(
    [
      node('SequenceEmpty', [], ['none'], { dtype: attr.int(ELEMENT_TYPES.float32) }),
      node('Loop', ['count', '', 'none', 'x'], ['all', 'end'], {
        body: graph({
          inputs: [
            value('i', [], 'int64'),
            value('going', [], 'bool'),
            value('list', undefined, 'undefined'),
            value('at', undefined),
          ],
          outputs: [value('going', [], 'bool'), value('longer', undefined, 'undefined'), value('next', undefined)],
          nodes: [node('Tanh', ['at'], ['next']), node('SequenceInsert', ['list', 'next'], ['longer'])],
        }),
      }),
      node('ConcatFromSequence', ['all'], ['joined'], { axis: attr.int(0) }),
      node('Concat', ['joined', 'end'], ['y'], { axis: attr.int(0) }),
    ],
    { count: number(3) },
  ),
  'functions in functions, with attributes, defaults and overloads': network(
    [
      call('Outer', ['x', 'w'], ['a'], { slope: attr.float(0.3) }),
      call('Outer', ['a', 'w'], ['b']),
      { ...call('Outer', ['b'], ['c']), overload: 'one' },
      node('Add', ['c', 'w'], ['y']),
    ],
    { w: weights([3], 2) },
    {
      opsets: local,
      functions: [
        fn({
          name: 'Outer',
          inputs: ['left', 'right'],
          outputs: ['out'],
          attributeDefaults: new Map([['slope', attr.float(0.7)]]),
          nodes: [
            node('Mul', ['left', 'right'], ['x']),
            call('Inner', ['x'], ['t'], { alpha: reference('slope', 'alpha', 1) }),
            node('Constant', [], ['k'], { value_float: reference('slope', 'value_float', 1) }),
            node('Add', ['t', 'k'], ['out']),
          ],
        }),
        fn({
          name: 'Inner',
          inputs: ['v'],
          outputs: ['out'],
          attributes: ['alpha'],
          nodes: [
            node('LeakyRelu', ['v'], ['y'], { alpha: reference('alpha', 'alpha', 1) }),
            node('Tanh', ['y'], ['out']),
          ],
        }),
        fn({
          name: 'Outer',
          overload: 'one',
          inputs: ['v'],
          outputs: ['out'],
          nodes: [node('Neg', ['v'], ['out'])],
        }),
      ],
    },
  ),
}

const RESOLVED = new Set(['If', 'Loop', 'Scan', 'SplitToSequence', 'SequenceAt', 'SequenceConstruct', 'Outer', 'Inner'])

describe('inlining', () => {
  let engine: Engine
  before(async () => {
    engine = await openEngine({ threads: 1 })
  })
  after(() => engine.close())

  for (const [name, source] of Object.entries(MODELS))
    it(name, async () => {
      const x = floats([4, 3], waves(1, 12))
      const expected = (await runOnce(engine, source, { x })).y as HostTensor
      const { builder: g, value: at } = read(source)
      g.output('read', at('y'))
      for (const { opType } of g.nodes) assert.ok(!RESOLVED.has(opType), opType)
      const found = (await runOnce(engine, g.model(), { x })).read as HostTensor
      assert.deepEqual(found.dims, expected.dims)
      assertClose(found.data, expected.data, name, 1e-5, 1e-6)
      const supports = supportsOf(source)
      for (const part of source.graph.nodes) assert.notEqual(supports(part).kind, 'unknown', part.opType)
    })

  it('a weight of a body is one parameter under its own name, whatever the number of iterations', () => {
    const { builder: g } = read(recurrent())
    assert.deepEqual([...g.parameters().keys()].sort(), ['h0', 'w'])
    assert.equal(g.nodes.filter((n) => n.inputs.includes('w')).length, 4)
  })

  it('a branch that is not taken is not looked at', () => {
    const source = chosen(3)
    const { builder: g } = read(source)
    assert.ok(!g.has('later'))
    assert.ok(g.parameters().has('shift'))
  })

  it('optional values', () => {
    const source = (inputs: string[]) =>
      network([
        node('Optional', inputs, ['maybe'], {}),
        node('OptionalHasElement', ['maybe'], ['has']),
        node('If', ['has'], ['y'], {
          then_branch: graph({
            outputs: [value('e', undefined)],
            nodes: [node('OptionalGetElement', ['maybe'], ['e'])],
          }),
          else_branch: graph({ outputs: [value('z', undefined)], nodes: [node('Neg', ['x'], ['z'])] }),
        }),
      ])
    const full = read(source(['x']))
    assert.equal(full.value('y'), 'x')
    const empty = read(source([]))
    assert.deepEqual(
      empty.builder.nodes.map((n) => n.opType),
      ['Neg'],
    )
    refuses(
      network([node('Optional', [], ['maybe']), node('OptionalGetElement', ['maybe'], ['y'])]),
      /OptionalGetElement y/,
      /holds nothing/,
    )
  })

  it('a body applied to every tensor of a sequence', async () => {
    const source = network(
      [
        node('SplitToSequence', ['x', 'two'], ['parts'], { axis: attr.int(0) }),
        node('SequenceMap', ['parts', 'w'], ['done'], {
          body: graph({
            inputs: [value('part', undefined), value('factor', undefined)],
            outputs: [value('product', undefined)],
            nodes: [node('Mul', ['part', 'factor'], ['product'])],
          }),
        }),
        node('ConcatFromSequence', ['done'], ['y'], { axis: attr.int(0) }),
      ],
      { two: number(2), w: weights([3], 2) },
    )
    const { builder: g, value: at } = read(source)
    g.output('read', at('y'))
    const x = waves(1, 12)
    const w = weights([3], 2).data
    const found = await runOnce(engine, g.model(), { x: floats([4, 3], x) })
    assertClose(
      found.read?.data,
      Array.from(x, (v, i) => v * Number(w[i % 3])),
      'SequenceMap',
    )
  })

  it('refuses what depends on the data, with the node and a remedy', () => {
    const test = [node('ReduceMax', ['x'], ['top'], { keepdims: attr.int(0) }), node('Greater', ['top', 'nil'], ['is'])]
    const nil: Record<string, Tensor> = { nil: { type: 'float32', dims: [], data: Float32Array.of(0) } }
    const branches = {
      then_branch: graph({ outputs: [value('a', undefined)], nodes: [node('Neg', ['x'], ['a'])] }),
      else_branch: graph({ outputs: [value('b', undefined)], nodes: [node('Exp', ['x'], ['b'])] }),
    }
    const byData = network([...test, named('gate', node('If', ['is'], ['y'], branches))], nil)
    refuses(byData, /\[If gate\]/, /computed from the data/, /--features/)
    assert.equal(supportsOf(byData)(byData.graph.nodes[2] as Node).kind, 'refuse')
    const loop = recurrent(
      [node('ReduceMax', ['next'], ['top'], { keepdims: attr.int(0) }), node('Less', ['top', 'nil'], ['on'])],
      ['count', '', 'h0'],
      'on',
    )
    loop.graph.initializers.set('nil', nil.nil as Tensor)
    refuses(loop, /\[Loop steps\]/, /until a condition/, /LSTM/)
    const { kind, reason } = supportsOf(loop)(loop.graph.nodes[0] as Node)
    assert.equal(kind, 'refuse')
    assert.match(reason ?? '', /computed from the data/)
  })

  it('stops at loops without an end', () => {
    const endless = recurrent([], ['', '', 'h0'])
    const attribute = endless.graph.nodes[0]?.attributes.get('body')
    assert.ok(attribute?.kind === 'graph')
    attribute.value.nodes[0] = node('Identity', ['h0'], ['row'])
    refuses(endless, /more than 50,000 nodes/, /iteration \d+ of \[Loop steps\]/, /shorter sequences/)
  })

  it('a function is read in its own opset', () => {
    const nodes = [
      node('Unsqueeze', ['v'], ['u'], { axes: attr.ints([0]) }),
      node('ReduceSum', ['u'], ['out'], { axes: attr.ints([1]) }),
    ]
    const old = fn({ name: 'Old', inputs: ['v'], outputs: ['out'], opsets: new Map([['', 12]]), nodes })
    const { builder: g, value: at } = read(
      network([call('Old', ['x'], ['y'])], {}, { opsets: local, functions: [old] }),
    )
    assert.deepEqual(g.shape(at('y')), [1, 1, 3])
    const future = { ...old, opsets: new Map([['', 99]]) }
    refuses(
      network([call('Old', ['x'], ['y'])], {}, { opsets: local, functions: [future] }),
      /"local\.Old" uses opset 99/,
    )
  })

  it('names custom operators, functions that call themselves, and where an error stands', () => {
    const custom = { ...node('Mystery', ['x'], ['y']), name: 'odd', domain: 'com.example' }
    refuses(
      network([custom]),
      /com\.example\.Mystery odd/,
      /custom operator of the domain "com\.example"/,
      /model-local function/,
    )
    const self = fn({ name: 'Self', inputs: ['a'], outputs: ['b'], nodes: [call('Self', ['a'], ['b'])] })
    refuses(
      network([call('Self', ['x'], ['y'])], {}, { opsets: local, functions: [self] }),
      /local\.Self/,
      /inside itself/,
    )
    const wrong = fn({
      name: 'Wrong',
      inputs: ['a'],
      outputs: ['b'],
      nodes: [
        named('clash', node('Add', ['a', 'k'], ['b'])),
        node('Constant', [], ['k'], { value_floats: { kind: 'floats', value: [1, 2] } }),
      ],
    })
    refuses(
      network([named('site', call('Wrong', ['x'], ['y']))], {}, { opsets: local, functions: [wrong] }),
      /\[Add clash\]/,
      /function "local\.Wrong", called by \[local\.Wrong site\]/,
    )
    const missing = fn({ name: 'Missing', inputs: ['a'], outputs: ['b'], nodes: [node('Add', ['a', 'x'], ['b'])] })
    refuses(
      network([call('Missing', ['x'], ['y'])], {}, { opsets: local, functions: [missing] }),
      /reads "x", which nothing produces/,
    )
  })
})

describe('sizes of dimensions', () => {
  const two = () =>
    model({
      inputs: [value('a', ['batch', 'tokens', 3]), value('b', ['batch', 3])],
      outputs: [value('y', undefined)],
      nodes: [
        node('ReduceMax', ['a'], ['m'], { axes: attr.ints([1]), keepdims: attr.int(0) }),
        node('Add', ['m', 'b'], ['y']),
      ],
    })
  const shape = (options: Parameters<typeof specialise>[1]) => {
    const { builder: g, value: at } = specialise(two(), options)
    return [g.shape('a'), g.shape(at('y'))]
  }
  const says = (options: Parameters<typeof specialise>[1], ...parts: RegExp[]) =>
    assert.throws(
      () => shape(options),
      (error) => {
        assert.ok(error instanceof GraftError, String(error))
        for (const part of parts) assert.match(`${error.message} ${error.remedy ?? ''}`, part)
        return true
      },
    )

  it('by name, by shape, or by both', () => {
    assert.deepEqual(shape({ dimensions: { batch: 2, tokens: 5 } }), [
      [2, 5, 3],
      [2, 3],
    ])
    assert.deepEqual(shape({ shapes: { a: [4, 6, 3] } }), [
      [4, 6, 3],
      [4, 3],
    ])
    assert.deepEqual(shape({ shapes: { b: [4, 3] }, dimensions: { tokens: 1 } }), [
      [4, 1, 3],
      [4, 3],
    ])
  })

  it('must not contradict each other, miss or be unknown', () => {
    says(
      { shapes: { a: [2, 5, 3], b: [4, 3] } },
      /"batch" is 2 by the shape \(2, 5, 3\) of the input "a" and 4/,
      /one size everywhere/,
    )
    says({ shapes: { b: [4, 3] }, dimensions: { batch: 2, tokens: 1 } }, /"batch" is 2 by the given sizes/, /"b"/)
    says(
      { dimensions: { batch: 2 } },
      /No shape is given for the graph input "a" \(batch, tokens, 3\): "tokens" has no size/,
    )
    says({ dimensions: { batch: 2, token: 5 } }, /no dimension "token"/, /batch, tokens/)
    says({ dimensions: { batch: 2.5, tokens: 5 } }, /2\.5/, /whole number/)
    says({ shapes: { a: [2, 5, 4], b: [2, 3] } }, /declared \(batch, tokens, 3\)/)
  })
})
