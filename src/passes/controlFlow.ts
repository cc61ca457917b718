/**
 * Control flow, resolved while a model is read: an If is the branch that its condition chooses, a Loop and a Scan are their
 * iterations one after another. That needs a condition or a count that is known once shapes are; others are refused.
 */
import { GraftError } from '../base/errors.js'
import { describeNode, type Graph, intAttribute, intsAttribute, type Node, type ValueInfo } from '../graph/graph.js'
import { sizeOf, type Tensor, toNumbers } from '../graph/tensor.js'
import { reshape } from '../ops/emit.js'
import { normaliseAxis } from '../ops/operator.js'
import { type Item, inline, type Replayer, type Scope, subgraph, tensorOf, within } from './scope.js'
import { pieces, stacked } from './sequences.js'

interface Context {
  readonly replay: Replayer
  readonly scope: Scope
  readonly node: Node
  readonly inputs: readonly Item[]
}

type Reader = (c: Context) => readonly Item[]

/** The operators read here. */
export const CONTROL_FLOW: Readonly<Record<string, Reader>> = { If: branch, Loop: loop, Scan: scan }

const refuse = ({ node }: Context, reason: string, remedy: string): never => {
  throw new GraftError(`${describeNode(node)} ${reason}.`, { remedy })
}

/** A sub-graph that the node must have. */
const bodyOf = (c: Context, name: string): Graph =>
  subgraph(c.node, name, () => refuse(c, `has no graph "${name}"`, 'The model file is damaged; export it again.'))

/** The only number of a value, where it is known before running. */
function known(c: Context, item: Item): number | undefined {
  const tensor = typeof item === 'string' ? c.replay.g.valueOf(item) : undefined
  return tensor && sizeOf(tensor.dims) === 1 ? toNumbers(tensor)[0] : undefined
}

function branch(c: Context): readonly Item[] {
  const condition = known(c, c.inputs[0] ?? '')
  if (condition === undefined)
    return refuse(
      c,
      'chooses its branch by a condition that is computed from the data while running; Graft reads a branch whose condition is known once shapes are',
      'Export the model without this branch (trace it instead of scripting it), or choose features behind it with --features.',
    )
  const name = condition !== 0 ? 'then_branch' : 'else_branch'
  const where = `It stands in the ${name} of ${describeNode(c.node)}.`
  const graph = bodyOf(c, name)
  return inline(c.replay, within(c.replay, c.scope, graph, { prefix: '', where }), [])
}

/** A scope for iteration i. */
function iteration(c: Context, body: Graph, i: number): Scope {
  const first = c.node.outputs.find((output) => output !== '') ?? c.node.name
  const where = `It stands in iteration ${i} of ${describeNode(c.node)}.`
  return within(c.replay, c.scope, body, { prefix: `${first}/${i}/`, where })
}

/** A number given to a body, as a scalar or, where the body says so, as a list of one. */
const single = (tensor: Tensor, input: ValueInfo | undefined): Tensor =>
  input?.shape?.length === 1 ? { ...tensor, dims: [1] } : tensor

const integer = (value: number): Tensor => ({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) })
const truth = (value: boolean): Tensor => ({ type: 'bool', dims: [], data: Uint8Array.of(value ? 1 : 0) })

/**
 * for (i = 0; i < count && condition; i++) (condition, states, scanned) = body(i, condition, states), as onnxruntime does: the body's condition
 * counts even where none is given at first.
 */
function loop(c: Context): readonly Item[] {
  const { g } = c.replay
  const body = bodyOf(c, 'body')
  const [count = '', start = ''] = c.inputs
  const unknown = (what: string) =>
    refuse(
      c,
      `${what} computed from the data while running; Graft unrolls a loop whose count is known once shapes are`,
      'Export the model with a fixed number of iterations (or with the operators LSTM, GRU or RNN), or choose features behind the loop with --features.',
    )
  const limit =
    count === '' ? Number.POSITIVE_INFINITY : (known(c, count) ?? unknown('repeats a number of times that is'))
  const first = start === '' ? 1 : (known(c, start) ?? unknown('starts by a condition that is'))
  let states = c.inputs.slice(2)
  const scanned: string[][] = body.outputs.slice(1 + states.length).map(() => [])
  let going = first !== 0
  for (let i = 0; i < limit && going; i++) {
    const [at, condition] = body.inputs
    const given = [g.constant(single(integer(i), at)), g.constant(single(truth(true), condition)), ...states].map(
      (item, k): readonly [string, Item] => [body.inputs[k]?.name ?? '', item],
    )
    const [next, ...rest] = inline(c.replay, iteration(c, body, i), given)
    going = i + 1 >= limit || (known(c, next ?? '') ?? unknown('repeats until a condition that is')) !== 0
    states = rest.slice(0, states.length)
    rest.slice(states.length).forEach((item, k) => {
      scanned[k]?.push(tensorOf(item, `"${body.outputs[1 + states.length + k]?.name}"`))
    })
  }
  const outputs = scanned.map((items, k) =>
    items.length > 0 ? stacked(g, items, 0) : nothing(c, body.outputs[1 + states.length + k], 0),
  )
  return [...states, ...outputs]
}

/** A scanned output of no iterations: nothing, in the shape that the body declares. */
function nothing(c: Context, output: ValueInfo | undefined, axis: number): string {
  const shape = output?.shape?.map((d) => (typeof d === 'number' ? d : undefined))
  if (!shape || shape.includes(undefined))
    return refuse(
      c,
      `makes no iteration, and the shape of its output "${output?.name}" is not declared`,
      'Use inputs that are long enough for one iteration.',
    )
  const full = [...shape.slice(0, axis), 0, ...shape.slice(axis)] as number[]
  return c.replay.g.op('ConstantOfShape', [c.replay.g.ints(full)])
}

/** One iteration for each position along the scanned axes of the last inputs. */
function scan(c: Context): readonly Item[] {
  const { g } = c.replay
  if (c.scope.frame.opset < 9)
    return refuse(
      c,
      'is a Scan of opset 8, which runs over a batch in a way that opset 9 dropped',
      'Convert the model to a newer opset (onnx.version_converter), or export it again.',
    )
  const body = bodyOf(c, 'body')
  const scans = intAttribute(c.node, 'num_scan_inputs', 0)
  const stateCount = c.inputs.length - scans
  const fail = (message: string) => refuse(c, message, 'The model file is damaged; export it again.')
  if (scans < 1 || stateCount < 0) return fail(`scans ${scans} of its ${c.inputs.length} inputs`)
  const per = (name: string, i: number) => intsAttribute(c.node, name)?.[i] ?? 0
  const columns = c.inputs.slice(stateCount).map((item, i) => {
    const value = tensorOf(item, `Input ${stateCount + i} of ${describeNode(c.node)}`)
    const shape = g.shape(value)
    const axis = normaliseAxis(per('scan_input_axes', i), shape.length, fail)
    const slices = pieces(g, value, axis, new Array<number>(shape[axis] as number).fill(1)).map((slice) =>
      reshape(
        g,
        slice,
        shape.filter((_, k) => k !== axis),
      ),
    )
    return per('scan_input_directions', i) === 1 ? slices.toReversed() : slices
  })
  const length = columns[0]?.length ?? 0
  if (columns.some((column) => column.length !== length))
    return fail(`scans inputs of different lengths (${columns.map((column) => column.length)})`)
  let states = c.inputs.slice(0, stateCount)
  const scanned: string[][] = body.outputs.slice(stateCount).map(() => [])
  for (let i = 0; i < length; i++) {
    const items = [...states, ...columns.map((column) => column[i] as string)]
    const given = items.map((item, k): readonly [string, Item] => [body.inputs[k]?.name ?? '', item])
    const made = inline(c.replay, iteration(c, body, i), given)
    states = made.slice(0, stateCount)
    made.slice(stateCount).forEach((item, k) => {
      scanned[k]?.push(tensorOf(item, `"${body.outputs[stateCount + k]?.name}"`))
    })
  }
  const outputs = scanned.map((items, k) => {
    const axis = (rank: number) => normaliseAxis(per('scan_output_axes', k), rank, fail)
    const output = body.outputs[stateCount + k]
    const [first] = items
    if (first === undefined) return nothing(c, output, axis((output?.shape?.length ?? 0) + 1))
    const ordered = per('scan_output_directions', k) === 1 ? items.toReversed() : items
    return stacked(g, ordered, axis(g.shape(first).length + 1))
  })
  return [...states, ...outputs]
}
