/**
 * The inputs of a network for texts: int64 (N, T) under the names `input_ids`, `attention_mask` and `token_type_ids`, both
 * axes dynamic. Networks of another form are brought into this one, or refused with what was found.
 */
import { GraftError, messageOf } from '../base/errors.js'
import { attr, type Dimension, type Graph, type Model, type Node, type ValueInfo } from '../graph/graph.js'
import { ELEMENT_TYPES, type ElementType, type Tensor } from '../graph/tensor.js'
import { withFreeBatch } from './batch.js'
import { freshName, renameValues, valueNames } from './edit.js'

/** What Hugging Face calls the numbers of the tokens, what is not padding, and which of two texts a token belongs to. */
export const TOKEN_IDS = 'input_ids'
export const ATTENTION = 'attention_mask'
export const TOKEN_TYPES = 'token_type_ids'

export type TextInputName = typeof TOKEN_IDS | typeof ATTENTION | typeof TOKEN_TYPES

export interface TextModel {
  readonly model: Model
  /** Those that the network has, in its order. */
  readonly inputs: readonly TextInputName[]
  /** Changes made, for the user. */
  readonly notes: readonly string[]
}

type Role = TextInputName | 'position_ids'

const show = (shape: readonly Dimension[] | undefined) =>
  shape ? `(${shape.map((d) => d ?? '?').join(', ')})` : 'of unknown shape'

/**
 * Checks a network's inputs and brings them into the one form that the rest of Graft uses.
 *
 * @throws GraftError where an input is none of a text encoder's, or where an axis cannot be made dynamic
 */
export function textModel(model: Model, name: string): TextModel {
  const roles = rolesOf(model.graph, name)
  const notes: string[] = []
  let result = withDynamicAxes(model, name, roles, notes)
  const taken = valueNames(result.graph)
  const renames = new Map<string, string>()
  for (const [input, role] of roles) {
    if (input === role) continue
    if (taken.has(role)) renames.set(role, freshName(taken, `backbone.${role}`))
    renames.set(input, role)
  }
  result = renameValues(result, renames)
  result = withTypes(result)
  result = withPositions(result, notes)
  const inputs = result.graph.inputs.map((input) => input.name as TextInputName)
  if (!inputs.includes(ATTENTION))
    notes.push('it takes no attention mask: what a text is padded with changes its result a little')
  return { model: result, inputs, notes }
}

/** Whether the inputs look like those of a network for texts. */
export function takesTokens(graph: Graph): boolean {
  return graph.inputs.some((input) => INTEGERS.has(input.type) && input.shape?.length === 2)
}

const INTEGERS: ReadonlySet<ElementType> = new Set(['int64', 'int32'])
const MASKS: ReadonlySet<ElementType> = new Set(['int64', 'int32', 'float32', 'bool'])

/** Which input is what, by Hugging Face's names or by what its name says; the one that is left over holds the tokens. */
function rolesOf(graph: Graph, name: string): Map<string, Role> {
  const listed = graph.inputs.map((i) => `${i.name}: ${i.type} ${show(i.shape)}`).join(', ')
  const refuse = (problem: string, remedy: string) =>
    new GraftError(`${name} ${problem} (its inputs: ${listed}).`, { remedy })
  const roles = new Map<string, Role>()
  const left: ValueInfo[] = []
  for (const input of graph.inputs) {
    const { name: given, shape, type } = input
    if (/past_key|past\.|cache/i.test(given))
      throw refuse(
        `is a decoder that takes earlier keys and values in "${given}"`,
        'Use its export without a cache, for example `optimum-cli export onnx --task feature-extraction`.',
      )
    if (/^decoder_/i.test(given))
      throw refuse('has an encoder and a decoder', 'Use the file of the encoder alone, encoder_model.onnx.')
    const role = roleOf(given)
    const fits = (role === ATTENTION ? MASKS : INTEGERS).has(type) && (shape === undefined || shape.length === 2)
    if (!fits)
      throw refuse(
        `takes "${given}", which is not a batch of tokens (N, T)`,
        'Name a network for texts: whole numbers (N, T) in input_ids, and a mask where it has one.',
      )
    if (role === undefined) left.push(input)
    else if ([...roles.values()].includes(role)) throw refuse(`has two inputs that look like ${role}`, RENAME)
    else roles.set(given, role)
  }
  const [first, ...others] = left
  const known = [...roles.values()].includes(TOKEN_IDS)
  if (first && (known || others.length > 0))
    throw refuse(`has the input "${(known ? first : others[0])?.name}", whose meaning is not known`, RENAME)
  if (first) roles.set(first.name, TOKEN_IDS)
  else if (!known) throw refuse('has no input for the numbers of tokens', RENAME)
  return roles
}

const RENAME = 'Export it with the names input_ids, attention_mask and token_type_ids.'

function roleOf(name: string): Role | undefined {
  if (name === TOKEN_IDS || name === ATTENTION || name === TOKEN_TYPES || name === 'position_ids') return name
  if (/mask/i.test(name)) return ATTENTION
  if (/type|segment/i.test(name)) return TOKEN_TYPES
  if (/position/i.test(name)) return 'position_ids'
  return undefined
}

function withDynamicAxes(model: Model, name: string, roles: ReadonlyMap<string, Role>, notes: string[]): Model {
  const axis = (i: number) =>
    [...new Set(model.graph.inputs.map((input) => input.shape?.[i]))].filter((d) => typeof d === 'number')
  const [length] = axis(1)
  if (length !== undefined)
    throw new GraftError(`${name} was exported for texts of exactly ${length} tokens.`, {
      remedy: `Export it with a dynamic length: torch.onnx.export(..., dynamic_axes={'${[...roles.keys()][0]}': {0: 'batch', 1: 'sequence'}, ...}).`,
    })
  const [batch] = axis(0)
  let result = model
  if (batch !== undefined) {
    // Lengths and batches that are unlikely to equal any other size in the graph.
    const shapes = (n: number) => Object.fromEntries(model.graph.inputs.map((input) => [input.name, [n, 23]]))
    try {
      result = withFreeBatch(model, batch, shapes)
    } catch (error) {
      throw new GraftError(
        `${name} was exported for a batch of exactly ${batch}, and its graph depends on that (${messageOf(error)})`,
        {
          remedy: "Export it with a dynamic batch: dynamic_axes={'input_ids': {0: 'batch', 1: 'sequence'}, ...}.",
          cause: error,
        },
      )
    }
    notes.push(`the batch, exported as ${batch}, was made dynamic`)
  }
  const inputs = result.graph.inputs.map((input) => ({ ...input, shape: ['batch', 'sequence'] }))
  return { ...result, graph: { ...result.graph, inputs } }
}

/** Every input int64; a Cast gives the network the type that it was exported with. */
function withTypes(model: Model): Model {
  const others = model.graph.inputs.filter((input) => input.type !== 'int64')
  if (others.length === 0) return model
  const taken = valueNames(model.graph)
  const inner = new Map(others.map((input) => [input.name, freshName(taken, `graft.${input.name}`)]))
  const renamed = renameValues(model, inner)
  const casts = others.map(
    (input): Node => ({
      name: `${inner.get(input.name)}.cast`,
      opType: 'Cast',
      domain: '',
      inputs: [input.name],
      outputs: [inner.get(input.name) as string],
      attributes: new Map([['to', attr.int(ELEMENT_TYPES[input.type])]]),
    }),
  )
  const inputs = model.graph.inputs.map((input) => ({ ...input, type: 'int64' as const }))
  return { ...renamed, graph: { ...renamed.graph, inputs, nodes: [...casts, ...renamed.graph.nodes] } }
}

/** Positions that the network wants to be told are computed in it: 0, 1, 2, ... */
function withPositions(model: Model, notes: string[]): Model {
  const { graph } = model
  if (!graph.inputs.some((input) => input.name === 'position_ids')) return model
  const taken = valueNames(graph)
  const name = (part: string) => freshName(taken, `graft.positions.${part}`)
  const made = (opType: string, inputs: string[], output: string): Node => ({
    name: output,
    opType,
    domain: '',
    inputs,
    outputs: [output],
    attributes: new Map(),
  })
  const [shape, one, zero, length, range] = ['shape', 'one', 'zero', 'length', 'range'].map(name) as [
    string,
    string,
    string,
    string,
    string,
  ]
  const single = (value: bigint): Tensor => ({ type: 'int64', dims: [], data: BigInt64Array.of(value) })
  const nodes = [
    made('Shape', [TOKEN_IDS], shape),
    made('Gather', [shape, one], length),
    made('Range', [zero, length, one], range),
    made('Expand', [range, shape], 'position_ids'),
  ]
  notes.push('the positions of the tokens, an input of the network, are computed in it as 0, 1, 2, ...')
  return {
    ...model,
    graph: {
      ...graph,
      inputs: graph.inputs.filter((input) => input.name !== 'position_ids'),
      nodes: [...nodes, ...graph.nodes],
      initializers: new Map([...graph.initializers, [one, single(1n)], [zero, single(0n)]]),
    },
  }
}
