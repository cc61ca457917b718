/**
 * The gradients of one direction of an RNN, a GRU and an LSTM, for the gates' inputs of all steps. Everything that does not
 * run from step to step is multiplied out for all steps at once; what is left of a step is a product with R and a few
 * element-wise operators.
 */
import { intAttribute, type Node } from '../../graph/graph.js'
import { reshape, slice } from '../emit.js'
import { fusedMatMul } from '../matmul.js'
import type { Emitter } from '../operator.js'
import { type Activated, type Activation, activate, clipOf, clipped } from './activations.js'
import {
  add,
  concat,
  gateInputs,
  gemm,
  keeping,
  type Layer,
  type LayerGradients,
  masked,
  mul,
  oneMinus,
  order,
  parts,
  shiftedBy,
  sub,
  sum,
  zeros,
} from './layer.js'

/** The gradient of a state that passes a step behind its sequence's end unchanged: (1 - m) dh. */
function passing(layer: Layer): (string | undefined)[] {
  const { g, mask, steps } = layer
  return mask === undefined ? new Array<undefined>(steps).fill(undefined) : parts(g, oneMinus(g, mask), 0, steps)
}

const pieces = (layer: Layer, value: string | undefined): (string | undefined)[] =>
  value === undefined ? new Array<undefined>(layer.steps).fill(undefined) : parts(layer.g, value, 0, layer.steps)

const nothing = (layer: Layer) => zeros(layer.g, [layer.batch, layer.hidden])

/** h = f(a), a = x W' + h R' + b: da = dh f'(a), and da R goes to the step before. */
export function rnnBackward(layer: Layer, node: Node, [f]: readonly Activation[]): LayerGradients {
  const { g } = layer
  const { slope } = activate(g, f as Activation, gateInputs(layer), clipOf(node))
  // Scalar slopes are written out by the product.
  const slopes = parts(g, mul(g, masked(layer, onesLike(layer)), slope), 0, layer.steps)
  const [dY, pass] = [pieces(layer, layer.dY), passing(layer)]
  const gates = new Array<string>(layer.steps)
  let carry = layer.dH
  for (const t of order(layer).reverse()) {
    const dh = sum(g, dY[t], carry) ?? nothing(layer)
    const da = mul(g, dh, slopes[t] as string)
    gates[t] = da
    const through = pass[t]
    carry = sum(g, g.op('MatMul', [da, layer.r]), through && mul(g, dh, through))
  }
  const all = concat(g, gates, 0)
  return { gatesX: all, gatesH: all, h0: carry as string }
}

const onesLike = ({ g, steps, batch, hidden }: Layer): string =>
  g.op('Expand', [g.float(1), g.ints([steps * batch, hidden])])

/** A GRU: h = (1 - z) n + z h'. */
export function gruBackward(layer: Layer, node: Node, [f, gOf]: readonly Activation[]): LayerGradients {
  return intAttribute(node, 'linear_before_reset', 0) === 0
    ? gruResetBefore(layer, f as Activation, gOf as Activation, clipOf(node))
    : gruResetAfter(layer, f as Activation, gOf as Activation, clipOf(node))
}

/**
 * n = g(x Wn' + b + r (h' Rn' + b')), linear_before_reset: with dh known, every gate's gradient is dh times a factor that
 * is known for all steps.
 */
function gruResetAfter(layer: Layer, f: Activation, gOf: Activation, clip: number | undefined): LayerGradients {
  const { g, before, steps } = layer
  const [zx, rx, nx] = parts(g, gemm(g, layer.x, layer.w, layer.bias?.w), 1, 3) as [string, string, string]
  const [zh, rh, nh] = parts(g, gemm(g, before, layer.r, layer.bias?.r), 1, 3) as [string, string, string]
  const z = activate(g, f, add(g, zx, zh), clip)
  const r = activate(g, f, add(g, rx, rh), clip)
  const n = activate(g, gOf, add(g, nx, mul(g, r.y, nh)), clip)
  const forN = masked(layer, mul(g, oneMinus(g, z.y), n.slope))
  const forZ = masked(layer, mul(g, sub(g, before, n.y), z.slope))
  const forR = mul(g, forN, mul(g, nh, r.slope))
  const factors = parts(g, concat(g, [forZ, forR, mul(g, forN, r.y)], 1), 0, steps)
  const kept = parts(g, keeping(layer, z.y), 0, steps)
  const dY = pieces(layer, layer.dY)
  const [gates, states] = [new Array<string>(steps), new Array<string>(steps)]
  let carry = layer.dH
  for (const t of order(layer).reverse()) {
    const dh = sum(g, dY[t], carry) ?? nothing(layer)
    const da = mul(g, concat(g, [dh, dh, dh], 1), factors[t] as string)
    gates[t] = da
    states[t] = dh
    carry = add(g, g.op('MatMul', [da, layer.r]), mul(g, dh, kept[t] as string))
  }
  const gatesH = concat(g, gates, 0)
  const dn = mul(g, concat(g, states, 0), forN)
  return { gatesX: concat(g, [slice(g, gatesH, 1, 0, 2 * layer.hidden), dn], 1), gatesH, h0: carry as string }
}

/** n = g(x Wn' + (r h') Rn' + b): the reset gate's gradient needs dn Rn first. */
function gruResetBefore(layer: Layer, f: Activation, gOf: Activation, clip: number | undefined): LayerGradients {
  const { g, before, steps, hidden } = layer
  const ofZR = (value: string) => slice(g, value, 0, 0, 2 * hidden)
  const ofN = (value: string) => slice(g, value, 0, 2 * hidden, 3 * hidden)
  const [rZR, rN] = [ofZR(layer.r), ofN(layer.r)]
  const bias = layer.bias && add(g, layer.bias.w, layer.bias.r)
  const fromX = gemm(g, layer.x, layer.w, bias)
  const [az, ar] = parts(g, gemm(g, before, rZR, slice(g, fromX, 1, 0, 2 * hidden)), 1, 2) as [string, string]
  const z = activate(g, f, az, clip)
  const r = activate(g, f, ar, clip)
  const reset = mul(g, r.y, before)
  const n = activate(g, gOf, gemm(g, reset, rN, slice(g, fromX, 1, 2 * hidden, 3 * hidden)), clip)
  const forN = parts(g, masked(layer, mul(g, oneMinus(g, z.y), n.slope)), 0, steps)
  const forZ = parts(g, masked(layer, mul(g, sub(g, before, n.y), z.slope)), 0, steps)
  const forR = parts(g, mul(g, before, r.slope), 0, steps)
  const kept = parts(g, keeping(layer, z.y), 0, steps)
  const resets = parts(g, r.y, 0, steps)
  const dY = pieces(layer, layer.dY)
  const [gatesZR, gatesN] = [new Array<string>(steps), new Array<string>(steps)]
  let carry = layer.dH
  for (const t of order(layer).reverse()) {
    const dh = sum(g, dY[t], carry) ?? nothing(layer)
    const dn = mul(g, dh, forN[t] as string)
    const dReset = g.op('MatMul', [dn, rN])
    const dzr = concat(g, [mul(g, dh, forZ[t] as string), mul(g, dReset, forR[t] as string)], 1)
    gatesZR[t] = dzr
    gatesN[t] = dn
    const direct = add(g, mul(g, dh, kept[t] as string), mul(g, dReset, resets[t] as string))
    carry = add(g, g.op('MatMul', [dzr, rZR]), direct)
  }
  const [dZR, dN] = [concat(g, gatesZR, 0), concat(g, gatesN, 0)]
  const gates = concat(g, [dZR, dN], 1)
  const r_ = concat(g, [fusedMatMul(g, dZR, before, true, false), fusedMatMul(g, dN, reset, true, false)], 0)
  return { gatesX: gates, gatesH: gates, r: r_, h0: carry as string }
}

/** An LSTM's gates for all steps, with the cell states before and after each. */
interface Cells {
  readonly i: Activated
  readonly o: Activated
  /** Undefined where the forget gate is 1 - i. */
  readonly f: Activated | undefined
  readonly candidate: Activated
  readonly before: string
  readonly after: string
}

/**
 * c = f c' + i g(..), h = o h(c), with peepholes from c' to i and f and from c to o. The gradient of a cell's gates is dh or dc times a factor that
 * is known for all steps, the peepholes' share of dc included.
 */
export function lstmBackward(layer: Layer, node: Node, activations: readonly Activation[]): LayerGradients {
  const { g, steps, peepholes } = layer
  const coupled = intAttribute(node, 'input_forget', 0) !== 0
  const cells = cellsOf(layer, activations, clipOf(node), coupled)
  const { i, o, f, candidate } = cells
  const squashed = activate(g, activations[2] as Activation, cells.after, undefined)
  const forO = mul(g, squashed.y, o.slope)
  const forI = mul(g, coupled ? sub(g, candidate.y, cells.before) : candidate.y, i.slope)
  const forF = f && mul(g, cells.before, f.slope)
  let toCell = mul(g, o.y, squashed.slope)
  let kept = f ? f.y : oneMinus(g, i.y)
  if (peepholes) {
    const [pi, po, pf] = peepholes
    toCell = add(g, toCell, mul(g, forO, po))
    kept = sum(g, kept, mul(g, forI, pi), forF && mul(g, forF, pf)) as string
  }
  const factors = concat(
    g,
    [forI, forO, forF ?? zeros(g, [steps * layer.batch, layer.hidden]), mul(g, i.y, candidate.slope)],
    1,
  )
  const [factor, cell, keep] = [masked(layer, factors), masked(layer, toCell), keeping(layer, kept)].map((value) =>
    parts(g, value, 0, steps),
  ) as [string[], string[], string[]]
  const [dY, pass] = [pieces(layer, layer.dY), passing(layer)]
  const gates = new Array<string>(steps)
  let [carryH, carryC] = [layer.dH, layer.dC]
  for (const t of order(layer).reverse()) {
    const dh = sum(g, dY[t], carryH) ?? nothing(layer)
    const dc = sum(g, mul(g, dh, cell[t] as string), carryC) as string
    const da = mul(g, concat(g, [dc, dh, dc, dc], 1), factor[t] as string)
    gates[t] = da
    const through = pass[t]
    carryH = sum(g, g.op('MatMul', [da, layer.r]), through && mul(g, dh, through))
    carryC = mul(g, dc, keep[t] as string)
  }
  const all = concat(g, gates, 0)
  const made = { gatesX: all, gatesH: all, h0: carryH as string, c0: carryC as string }
  return peepholes ? { ...made, peepholes: peepholeGradients(g, all, cells) } : made
}

/** Sums over rows of the gate's gradient times the cell state that it looks at. */
function peepholeGradients(g: Emitter, gates: string, cells: Cells): [string, string, string] {
  const [di, dO, df] = parts(g, gates, 1, 4) as [string, string, string, string]
  const rows = (value: string) => g.op('ReduceSum', [value, g.ints([0])])
  const flat = (value: string) => reshape(g, rows(value), [g.shape(value)[1] as number])
  return [flat(mul(g, di, cells.before)), flat(mul(g, dO, cells.after)), flat(mul(g, df, cells.before))]
}

function cellsOf(layer: Layer, [f, gOf]: readonly Activation[], clip: number | undefined, coupled: boolean): Cells {
  const { g, peepholes } = layer
  const [ai, ao, af, ac] = parts(g, gateInputs(layer), 1, 4) as [string, string, string, string]
  const candidate = activate(g, gOf as Activation, ac, clip)
  const gate = (input: string) => activate(g, f as Activation, input, clip)
  const start = layer.c0 ?? nothing(layer)
  const looking = (input: string, cell: string, i: 0 | 1 | 2) =>
    peepholes ? add(g, input, mul(g, cell, peepholes[i])) : input
  const stepwise = peepholes
    ? cellsWithPeepholes(
        layer,
        ai,
        af,
        candidate.y,
        start,
        (input, cell, i) => (f as Activation).value(g, clipped(g, looking(input, cell, i), clip)),
        coupled,
      )
    : undefined
  const plain = () => {
    const i = gate(ai)
    const forget = coupled ? undefined : gate(af)
    const kept = parts(g, keeping(layer, forget ? forget.y : oneMinus(g, i.y)), 0, layer.steps)
    const added = parts(g, masked(layer, mul(g, i.y, candidate.y)), 0, layer.steps)
    const cells = new Array<string>(layer.steps)
    let cell = start
    for (const t of order(layer)) {
      cell = add(g, mul(g, cell, kept[t] as string), added[t] as string)
      cells[t] = cell
    }
    return { i, f: forget, cells }
  }
  if (!stepwise) {
    const { i, f: forget, cells } = plain()
    return { i, f: forget, o: gate(ao), candidate, before: shiftedBy(layer, cells, start), after: concat(g, cells, 0) }
  }
  const [before, after] = [shiftedBy(layer, stepwise, start), concat(g, stepwise, 0)]
  return {
    i: gate(looking(ai, before, 0)),
    f: coupled ? undefined : gate(looking(af, before, 2)),
    o: gate(looking(ao, after, 1)),
    candidate,
    before,
    after,
  }
}

/** The cell states where the gates look at them: each step's gates are needed before the next. */
function cellsWithPeepholes(
  layer: Layer,
  ai: string,
  af: string,
  candidate: string,
  start: string,
  gate: (input: string, cell: string, peephole: 0 | 2) => string,
  coupled: boolean,
): string[] {
  const { g, mask, steps } = layer
  const [inputs, forgets, candidates] = [ai, af, candidate].map((value) => parts(g, value, 0, steps)) as [
    string[],
    string[],
    string[],
  ]
  const inside = mask === undefined ? undefined : parts(g, mask, 0, steps)
  const cells = new Array<string>(steps)
  let cell = start
  for (const t of order(layer)) {
    const i = gate(inputs[t] as string, cell, 0)
    const f = coupled ? oneMinus(g, i) : gate(forgets[t] as string, cell, 2)
    const next = add(g, mul(g, cell, f), mul(g, i, candidates[t] as string))
    cell = inside ? add(g, cell, mul(g, sub(g, next, cell), inside[t] as string)) : next
    cells[t] = cell
  }
  return cells
}
