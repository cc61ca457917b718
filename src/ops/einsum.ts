/**
 * Einsum as the operators that it stands for: diagonals by reshaping and slicing, sums over labels that nothing else reads,
 * and one matrix product for each pair of operands, left to right.
 */
import { attr, stringAttribute } from '../graph/graph.js'
import { sizeOf } from '../graph/tensor.js'
import { reshape, slice, transpose } from './emit.js'
import { type Emitter, expanded, type Operator, type UpgradeContext } from './operator.js'

/** An operand and the label of each of its axes. */
interface Operand {
  readonly value: string
  readonly labels: readonly string[]
}

/** The labels of each operand and of the result. The axes of an ellipsis are labelled ".0" (the last), ".1", ... */
function parse(c: UpgradeContext): { operands: string[][]; result: string[] } {
  const equation = stringAttribute(c.node, 'equation', '').replaceAll(/\s/g, '')
  const [left, right] = equation.split('->') as [string, string | undefined]
  const terms = left.split(',')
  if (terms.length !== c.inputs.length || c.inputs.includes(''))
    return c.refuse(`has ${c.inputs.length} inputs for the ${terms.length} terms of "${equation}"`)
  const labelsOf = (term: string, hidden: number): string[] =>
    [...term.matchAll(/\.\.\.|[A-Za-z]|./g)].flatMap(([token]) => {
      if (token === '...') return Array.from({ length: hidden }, (_, i) => `.${hidden - 1 - i}`)
      return /[A-Za-z]/.test(token) ? [token] : c.refuse(`has "${token}" in its equation "${equation}"`)
    })
  let widest = 0
  const operands = terms.map((term, i) => {
    const rank = c.g.shape(c.inputs[i] as string).length
    const hidden = rank - term.replace('...', '').length
    if (hidden < 0 || (hidden > 0 && !term.includes('...')))
      return c.refuse(`has the term "${term}" for an input of rank ${rank}`)
    widest = Math.max(widest, hidden)
    return labelsOf(term, hidden)
  })
  const all = operands.flat()
  const ellipsis = Array.from({ length: widest }, (_, i) => `.${widest - 1 - i}`)
  const once = [...new Set(all)].filter((l) => !l.startsWith('.') && all.indexOf(l) === all.lastIndexOf(l))
  const result = right === undefined ? [...ellipsis, ...once.sort()] : labelsOf(right, widest)
  if (new Set(result).size !== result.length || result.some((l) => !all.includes(l)))
    return c.refuse(`has a result in its equation "${equation}" that repeats a label or has one of its own`)
  return { operands, result }
}

/** The entries where axes of one label have the same index. */
function diagonal(g: Emitter, { value, labels }: Operand): Operand {
  const again = labels.findIndex((label, i) => labels.indexOf(label) < i)
  if (again < 0) return { value, labels }
  const first = labels.indexOf(labels[again] as string)
  const rest = labels.flatMap((_, i) => (i === first || i === again ? [] : [i]))
  const moved = transpose(g, value, [...rest, first, again])
  const shape = g.shape(moved)
  const [outer, d] = [shape.slice(0, -2), shape.at(-1) as number]
  const flat = slice(g, reshape(g, moved, [...outer, d * d]), outer.length, 0, d * d, d + 1)
  return diagonal(g, { value: flat, labels: [...rest, first].map((i) => labels[i] as string) })
}

/** Sums over the labels that are not kept; an axis of 1 is dropped. */
function sumOver(g: Emitter, { value, labels }: Operand, keep: (label: string) => boolean): Operand {
  const shape = g.shape(value)
  const left = labels.filter(keep)
  if (left.length === labels.length) return { value, labels }
  const axes = labels.flatMap((label, i) => (keep(label) || shape[i] === 1 ? [] : [i]))
  const summed = axes.length === 0 ? value : g.op('ReduceSum', [value, g.ints(axes)], { keepdims: attr.int(1) })
  const sizes = labels.flatMap((label, i) => (keep(label) ? [shape[i] as number] : []))
  return { value: reshape(g, summed, sizes), labels: left }
}

/** Axes in the order of the labels; those that the operand lacks are 1. */
function arranged(g: Emitter, { value, labels }: Operand, order: readonly string[]): string {
  const own = order.filter((label) => labels.includes(label))
  const turned = transpose(
    g,
    value,
    own.map((label) => labels.indexOf(label)),
  )
  const shape = g.shape(turned)
  return reshape(
    g,
    turned,
    order.map((label) => (own.includes(label) ? (shape[own.indexOf(label)] as number) : 1)),
  )
}

/** The product of two operands, summed over the labels that neither the rest nor the result reads. */
function multiply(
  g: Emitter,
  a: Operand,
  b: Operand,
  read: (label: string) => boolean,
  size: (label: string) => number,
): Operand {
  const inBoth = a.labels.filter((label) => b.labels.includes(label))
  const batch = inBoth.filter(read)
  const contracted = inBoth.filter((label) => !read(label))
  const left = a.labels.filter((label) => !inBoth.includes(label))
  const right = b.labels.filter((label) => !inBoth.includes(label))
  if (contracted.length === 0) {
    const labels = [...batch, ...left, ...right]
    const [x, y] = [arranged(g, a, labels), arranged(g, b, labels)]
    return { value: g.op('Mul', [x, y]), labels }
  }
  const sizes = (labels: readonly string[]) => labels.map(size)
  const flat = (operand: Operand, rows: readonly string[], columns: readonly string[]) =>
    reshape(g, arranged(g, operand, [...batch, ...rows, ...columns]), [
      ...sizes(batch),
      sizeOf(sizes(rows)),
      sizeOf(sizes(columns)),
    ])
  const product = g.op('MatMul', [flat(a, left, contracted), flat(b, contracted, right)])
  const labels = [...batch, ...left, ...right]
  return { value: reshape(g, product, sizes(labels)), labels }
}

function expand(c: UpgradeContext): readonly string[] {
  const { g } = c
  const { operands, result } = parse(c)
  const sizes = new Map<string, number>()
  operands.forEach((labels, i) => {
    const shape = g.shape(c.inputs[i] as string)
    labels.forEach((label, axis) => {
      const d = shape[axis] as number
      const known = sizes.get(label) ?? 1
      if (labels.indexOf(label) < axis && shape[labels.indexOf(label)] !== d)
        c.refuse(`takes a diagonal of axes of ${shape[labels.indexOf(label)]} and ${d} entries`)
      if (known !== 1 && d !== 1 && known !== d)
        c.refuse(`has sizes ${known} and ${d} for the label "${label}" of its equation`)
      sizes.set(label, d === 1 ? known : d)
    })
  })
  // An axis of 1 that is repeated over a label's size is left out: a product repeats it.
  const open = operands.map((labels, i): Operand => {
    const taken = diagonal(g, { value: c.inputs[i] as string, labels })
    const shape = g.shape(taken.value)
    const repeated = (label: string) => shape[taken.labels.indexOf(label)] === 1 && sizes.get(label) !== 1
    return sumOver(g, taken, (label) => !repeated(label))
  })
  const size = (label: string) => sizes.get(label) as number
  let done = open[0] as Operand
  for (let i = 1; i <= open.length; i++) {
    const later = new Set([...open.slice(i).flatMap((operand) => operand.labels), ...result])
    done = sumOver(g, done, (label) => later.has(label))
    const next = open[i]
    if (!next) break
    const after = new Set([...open.slice(i + 1).flatMap((operand) => operand.labels), ...result])
    const summed = sumOver(g, next, (label) => after.has(label) || done.labels.includes(label))
    done = multiply(g, done, summed, (label) => after.has(label), size)
  }
  return [arranged(g, done, result)]
}

export const einsum = {
  Einsum: expanded('MatMul, Mul, ReduceSum', expand),
} as const satisfies Record<string, Operator>
