/** What a student learns from a teacher's logits, for each kind of target. */
import { attr } from '../../../graph/graph.js'
import { weightedSum } from '../../../losses/weighted.js'
import type { GraphBuilder } from '../../../ops/builder.js'
import type { Objective } from '../objective.js'

/**
 * How far the student's answers are from the teacher's, a scalar; 0 where they are the same.
 *
 * Classes: T^2 sum over n of p_n KL(softmax(teacher_n / T), softmax(student_n / T)). Several labels: the same of each label's two
 * sides, mean over the labels. A number: sum over n of p_n (student_n - teacher_n)^2 / 2.
 *
 * @param student (N, K) or (N, T, K)
 * @param teacher in its shape; no gradient passes
 * @param places (N) or (N, T), summing to 1 over a step
 */
export function teachingLoss(
  g: GraphBuilder,
  kind: Objective['kind'],
  student: string,
  teacher: string,
  places: string,
  temperature: number,
): string {
  const last = g.shape(student).length - 1
  if (kind === 'number') {
    const off = g.op('Sub', [student, teacher])
    const half = g.op('ReduceMean', [g.op('Mul', [off, off]), g.ints([last])], { keepdims: attr.int(0) })
    return g.op('Mul', [weightedSum(g, half, places), g.float(0.5)])
  }
  const cooled = (z: string) => (temperature === 1 ? z : g.op('Div', [z, g.float(temperature)]))
  const [s, t] = [cooled(student), cooled(teacher)]
  const perPlace = kind === 'multi-label' ? labelDivergence(g, s, t, last) : classDivergence(g, s, t, last)
  return g.op('Mul', [weightedSum(g, perPlace, places), g.float(temperature ** 2)])
}

/** sum over k of q_k (log q_k - log p_k), q the teacher's softmax. */
function classDivergence(g: GraphBuilder, student: string, teacher: string, last: number): string {
  const log = (z: string) => g.op('LogSoftmax', [z], { axis: attr.int(-1) })
  const q = g.op('Softmax', [teacher], { axis: attr.int(-1) })
  const off = g.op('Sub', [log(teacher), log(student)])
  return g.op('ReduceSum', [g.op('Mul', [q, off]), g.ints([last])], { keepdims: attr.int(0) })
}

/** mean over k of q (log q - log p) + (1 - q) (log(1 - q) - log(1 - p)); log sigmoid(z) = -softplus(-z). */
function labelDivergence(g: GraphBuilder, student: string, teacher: string, last: number): string {
  const softplus = (z: string) => g.op('Softplus', [z])
  const negative = (z: string) => g.op('Neg', [z])
  const q = g.op('Sigmoid', [teacher])
  const there = g.op('Sub', [softplus(negative(student)), softplus(negative(teacher))])
  const absent = g.op('Sub', [softplus(student), softplus(teacher)])
  const each = g.op('Add', [g.op('Mul', [q, there]), g.op('Mul', [g.op('Sub', [g.float(1), q]), absent])])
  return g.op('ReduceMean', [each, g.ints([last])], { keepdims: attr.int(0) })
}
