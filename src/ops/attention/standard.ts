/** The standard's Attention (opset 23 on) and RotaryEmbedding, as the operators that they stand for. */
import { attr, floatAttribute, intAttribute } from '../../graph/graph.js'
import { reshape } from '../emit.js'
import { type Emitter, expanded, type Operator, type UpgradeContext } from '../operator.js'
import { attend, inWindow, joinHeads, MASKED, splitHeads, withinLengths, withPast } from './attend.js'
import { rotate } from './rotary.js'

const given = (value: string | undefined): value is string => (value ?? '') !== ''

/** A bound of the window; -1 stands for none. */
const bound = (c: UpgradeContext, name: string): number | undefined => {
  const size = intAttribute(c.node, name, -1)
  return size < 0 ? undefined : size
}

/** A mask that ends before the last key masks what it does not cover. */
function covering(g: Emitter, mask: string, keys: number): string {
  const shape = g.shape(mask)
  const missing = keys - (shape.at(-1) as number)
  if (missing <= 0) return mask
  const truth = g.typeOf(mask).type === 'bool'
  const pads = g.ints([...shape.map(() => 0), ...shape.map((_, i) => (i === shape.length - 1 ? missing : 0))])
  const numbers = truth ? g.op('Cast', [mask], { to: attr.int(1) }) : mask
  const padded = g.op('Pad', [numbers, pads, g.float(truth ? 0 : MASKED)], { mode: attr.string('constant') })
  return truth ? g.op('Cast', [padded], { to: attr.int(9) }) : padded
}

function attention(c: UpgradeContext): readonly string[] {
  const { g, node } = c
  const [Q, K, V, mask, pastKey, pastValue, lengths] = c.inputs as readonly [string, string, string, ...string[]]
  const flat = g.shape(Q).length === 3
  const heads = (name: string) => {
    const count = intAttribute(node, name, 0)
    return count > 0 ? count : c.refuse(`takes inputs of rank 3 and lacks ${name}`)
  }
  const q = flat ? splitHeads(g, Q, heads('q_num_heads')) : Q
  const newKeys = flat ? splitHeads(g, K, heads('kv_num_heads')) : K
  const newValues = flat ? splitHeads(g, V, heads('kv_num_heads')) : V
  const [k, v] = [withPast(g, pastKey, newKeys), withPast(g, pastValue, newValues)]
  const queries = g.shape(q)[2] as number
  const keys = g.shape(k)[2] as number
  const past = keys - (g.shape(newKeys)[2] as number)

  const biases: string[] = []
  const allowed: string[] = []
  if (given(mask)) {
    const whole = c.opset >= 24 ? covering(g, mask, keys) : mask
    ;(g.typeOf(mask).type === 'bool' ? allowed : biases).push(whole)
  }
  if (given(lengths)) allowed.push(withinLengths(g, lengths, keys))
  const causal = intAttribute(node, 'is_causal', 0) === 1
  const [before, right] = [bound(c, 'left_window_size'), bound(c, 'right_window_size')]
  const after = causal ? 0 : right
  if (before !== undefined || after !== undefined) {
    const offset = given(lengths) && !given(pastKey) ? g.op('Sub', [lengths, g.ints([queries])]) : past
    allowed.push(inWindow(g, { queries, keys, offset, before, after }))
  }
  const scale = floatAttribute(node, 'scale', 1 / Math.sqrt(g.shape(q)[3] as number))
  const { y, stages } = attend(g, { q, k, v, scale, softcap: floatAttribute(node, 'softcap', 0), biases, allowed })
  const stage = stages[intAttribute(node, 'qk_matmul_output_mode', 0)]
  return [flat ? joinHeads(g, y) : y, k, v, stage ?? c.refuse('has a qk_matmul_output_mode that is not defined')]
}

function rotaryEmbedding(c: UpgradeContext): readonly string[] {
  const { g, node } = c
  const [x, cosines, sines, positions] = c.inputs as readonly [string, string, string, string | undefined]
  const shape = g.shape(x)
  const flat = shape.length === 3
  const heads = flat ? intAttribute(node, 'num_heads', 0) : (shape[1] as number)
  if (heads < 1) return c.refuse('takes an input of rank 3 and lacks num_heads')
  const [batch, length, hidden] = shape as readonly [number, number, number]
  const angles = (cache: string) =>
    given(positions) ? g.op('Gather', [cache, positions], { axis: attr.int(0) }) : cache
  const turned = rotate(g, {
    x: flat ? reshape(g, x, [batch, length, heads, hidden / heads]) : x,
    headsFirst: !flat,
    cos: angles(cosines),
    sin: angles(sines),
    interleaved: intAttribute(node, 'interleaved', 0) === 1,
  })
  return [reshape(g, turned, shape)]
}

export const attentions = {
  Attention: expanded('MatMul, Softmax', attention),
  RotaryEmbedding: expanded('Mul, Add, Concat', rotaryEmbedding),
} as const satisfies Record<string, Operator>
