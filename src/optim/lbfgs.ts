/**
 * L-BFGS (Liu and Nocedal 1989; Nocedal and Wright 2006, algorithms 7.4 and 7.5) with a line search for the strong Wolfe
 * conditions (algorithms 3.5 and 3.6). It is a generator that yields the points it wants evaluated, so that one driver can
 * wait for an engine, and another can advance many problems in step and evaluate them in one matrix product.
 */
import { InternalError } from '../base/errors.js'

export type Vector = Float64Array | Float32Array

/** The objective at a point. The gradient is only read until the next point is asked for. */
export interface Evaluation {
  readonly value: number
  readonly gradient: Vector
}

export interface LbfgsOptions {
  /** Stop when max |gradient| is at most this. @default 1e-5 */
  readonly tolerance?: number
  /** @default 1000 */
  readonly maxIterations?: number
  /** Pairs (s, y) kept. @default 10 */
  readonly history?: number
  /**
   * Relative rounding error of the objective's value. Differences below it count as zero in the test for sufficient
   * decrease, which then rests on the slope alone (Hager and Zhang 2005). @default 1e-15
   */
  readonly noise?: number
}

/** Why it stopped: at the tolerance, at the limit of iterations, or because no step lowers the value any more. */
export type LbfgsReason = 'converged' | 'limit' | 'stalled'

export interface LbfgsResult {
  readonly x: Vector
  readonly value: number
  /** max |gradient| at x. */
  readonly gradientNorm: number
  readonly iterations: number
  readonly evaluations: number
  readonly reason: LbfgsReason
}

/** Sufficient decrease and curvature (Nocedal and Wright's for quasi-Newton). */
const C1 = 1e-4
const C2 = 0.9
const MAX_TRIALS = 30

/** A point on the search line: step, value, slope, with its x and gradient. */
interface Trial {
  readonly step: number
  readonly value: number
  readonly slope: number
  readonly x: Vector
  readonly gradient: Vector
}

/**
 * Minimises a smooth function; yields points, takes evaluations.
 *
 * A value that is not finite counts as a step too far. The vectors have the type of `start`, which is not written to.
 */
export function* lbfgsSteps(
  start: Vector,
  options: LbfgsOptions = {},
): Generator<Vector, LbfgsResult, Evaluation | undefined> {
  const { tolerance = 1e-5, maxIterations = 1000, history = 10, noise = 1e-15 } = options
  let evaluations = 0
  let x = start.slice()
  const first = received(yield x)
  evaluations++
  let value = first.value
  let gradient = copyOf(first.gradient, x)
  if (!Number.isFinite(value)) throw new RangeError(`L-BFGS: the objective is ${value} at the starting point.`)
  const pairs: { s: Vector; y: Vector; rho: number }[] = []
  const direction = x.slice()
  const result = (iterations: number, reason: LbfgsReason): LbfgsResult => ({
    x,
    value,
    gradientNorm: maxNorm(gradient),
    iterations,
    evaluations,
    reason,
  })

  for (let iteration = 0; ; iteration++) {
    if (maxNorm(gradient) <= tolerance) return result(iteration, 'converged')
    if (iteration >= maxIterations) return result(iteration, 'limit')
    twoLoop(pairs, gradient, direction)
    let slope = dot(direction, gradient)
    if (!(slope < 0)) {
      pairs.length = 0
      twoLoop(pairs, gradient, direction)
      slope = dot(direction, gradient)
    }
    const firstStep = pairs.length > 0 ? 1 : Math.min(1, 1 / Math.sqrt(dot(gradient, gradient)))
    const search = lineSearch({ x, value, slope, gradient, direction, firstStep, noise })
    let asked = search.next()
    while (!asked.done) {
      const answer = received(yield asked.value)
      evaluations++
      asked = search.next(answer)
    }
    const found = asked.value
    if (!found) {
      if (pairs.length === 0) return result(iteration, 'stalled')
      pairs.length = 0
      continue
    }
    // The oldest pair's arrays serve again: fresh large arrays cost as much as the arithmetic.
    const oldest = pairs.length >= history ? pairs.shift() : undefined
    const s = oldest?.s ?? x.slice()
    const y = oldest?.y ?? x.slice()
    for (let i = 0; i < s.length; i++) {
      s[i] = found.x[i]! - x[i]!
      y[i] = found.gradient[i]! - gradient[i]!
    }
    const sy = dot(s, y)
    if (sy > Number.EPSILON * dot(y, y)) pairs.push({ s, y, rho: 1 / sy })
    x = found.x as typeof x
    gradient = found.gradient as typeof gradient
    value = found.value
  }
}

/** Two-loop recursion (algorithm 7.4): direction = -H gradient. */
function twoLoop(pairs: readonly { s: Vector; y: Vector; rho: number }[], gradient: Vector, direction: Vector): void {
  for (let i = 0; i < direction.length; i++) direction[i] = -gradient[i]!
  const alphas = new Float64Array(pairs.length)
  for (let k = pairs.length - 1; k >= 0; k--) {
    const { s, y, rho } = pairs[k]!
    const alpha = rho * dot(s, direction)
    alphas[k] = alpha
    addScaled(direction, -alpha, y)
  }
  const newest = pairs.at(-1)
  if (newest) {
    const gamma = 1 / (newest.rho * dot(newest.y, newest.y))
    for (let i = 0; i < direction.length; i++) direction[i] = direction[i]! * gamma
  }
  for (let k = 0; k < pairs.length; k++) {
    const { s, y, rho } = pairs[k]!
    addScaled(direction, alphas[k]! - rho * dot(y, direction), s)
  }
}

interface Line {
  readonly x: Vector
  readonly value: number
  readonly slope: number
  readonly gradient: Vector
  readonly direction: Vector
  readonly firstStep: number
  readonly noise: number
}

/** Algorithms 3.5 (bracket) and 3.6 (zoom). Undefined where no acceptable step is found. */
function* lineSearch(line: Line): Generator<Vector, Trial | undefined, Evaluation> {
  const slack = line.noise * Math.abs(line.value)
  const enough = (t: Trial) => t.value <= line.value + C1 * t.step * line.slope + slack
  const flat = (t: Trial) => Math.abs(t.slope) <= -C2 * line.slope
  const origin: Trial = { step: 0, value: line.value, slope: line.slope, x: line.x, gradient: line.gradient }
  let low = origin
  let high: Trial | undefined
  let previous = origin
  let step = line.firstStep
  for (let trials = 0; trials < MAX_TRIALS; trials++) {
    const trial = yield* evaluate(line, step)
    if (!high) {
      // Bracketing: lengthen until the interval surely holds acceptable steps.
      if (!enough(trial) || (trials > 0 && trial.value > previous.value + slack)) {
        low = previous
        high = trial
      } else if (flat(trial)) return trial
      else if (trial.slope >= 0) {
        low = trial
        high = previous
      } else {
        const beyond = interpolate(previous, trial)
        const least = trial.step + 1.1 * (trial.step - previous.step)
        const most = trial.step + 9 * (trial.step - previous.step)
        step = beyond > least ? Math.min(beyond, most) : beyond > trial.step ? least : most
        previous = trial
        continue
      }
    } else if (!enough(trial) || trial.value > low.value + slack) high = trial
    else {
      if (flat(trial)) return trial
      if (trial.slope * (high.step - low.step) >= 0) high = low
      low = trial
    }
    const width = Math.abs(high.step - low.step)
    if (width <= 1e-14 * Math.max(low.step, high.step)) break
    // Zoom: cubic through both ends, kept a tenth of the width away from them.
    const left = Math.min(low.step, high.step)
    const cubic = Number.isFinite(high.value) && Number.isFinite(high.slope) ? interpolate(low, high) : Number.NaN
    step = cubic >= left + 0.1 * width && cubic <= left + 0.9 * width ? cubic : clampInside(cubic, left, width)
  }
  // The best point of the bracket still lowers the value: take it rather than give up.
  return low !== origin && low.value < line.value ? low : undefined
}

function clampInside(step: number, left: number, width: number): number {
  if (!Number.isFinite(step)) return left + width / 2
  return step < left + 0.1 * width ? left + 0.1 * width : left + 0.9 * width
}

function* evaluate(line: Line, step: number): Generator<Vector, Trial, Evaluation> {
  const x = line.x.slice()
  addScaled(x, step, line.direction)
  const { value, gradient } = yield x
  const own = copyOf(gradient, x)
  const slope = dot(own, line.direction)
  // NaN counts as a wall: bracket in front of it.
  return { step, value: Number.isNaN(value) ? Number.POSITIVE_INFINITY : value, slope, x, gradient: own }
}

/** Minimiser of the cubic with the values and slopes of both ends (Nocedal and Wright 3.59); NaN where it has none. */
function interpolate(a: Trial, b: Trial): number {
  const d1 = a.slope + b.slope - (3 * (a.value - b.value)) / (a.step - b.step)
  const square = d1 * d1 - a.slope * b.slope
  if (!(square >= 0)) return Number.NaN
  const d2 = Math.sign(b.step - a.step) * Math.sqrt(square)
  return b.step - (b.step - a.step) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
}

/** Minimises an objective that answers asynchronously, such as an engine. Throws the signal's reason when aborted. */
export async function lbfgs(
  objective: (x: Vector) => Promise<Evaluation> | Evaluation,
  start: Vector,
  options: LbfgsOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<LbfgsResult> {
  const steps = lbfgsSteps(start, options)
  let asked = steps.next()
  while (!asked.done) {
    options.signal?.throwIfAborted()
    asked = steps.next(await objective(asked.value))
  }
  return asked.value
}

/**
 * Minimises several independent problems in step: every round evaluates the points of all that have not stopped at once.
 *
 * @param objective receives the problems' numbers and their points, answers in the same order
 */
export async function lbfgsMany(
  objective: (problems: readonly number[], points: readonly Vector[]) => Promise<readonly Evaluation[]>,
  starts: readonly Vector[],
  options: LbfgsOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<LbfgsResult[]> {
  const runs = starts.map((start) => lbfgsSteps(start, options))
  const asked = runs.map((run) => run.next())
  for (;;) {
    const problems: number[] = []
    const points: Vector[] = []
    asked.forEach((a, k) => {
      if (a.done) return
      problems.push(k)
      points.push(a.value)
    })
    if (problems.length === 0) break
    options.signal?.throwIfAborted()
    const answers = await objective(problems, points)
    problems.forEach((k, i) => {
      asked[k] = runs[k]!.next(answers[i]!)
    })
  }
  return asked.map((a) => a.value as LbfgsResult)
}

function received(evaluation: Evaluation | undefined): Evaluation {
  if (!evaluation) throw new InternalError('L-BFGS was resumed without an evaluation')
  return evaluation
}

function copyOf(values: Vector, like: Vector): Vector {
  const own = like.slice()
  own.set(values)
  return own
}

/** Four sums at once: a single one would wait for each addition. */
function dot(a: Vector, b: Vector): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let i = 0
  for (; i + 3 < a.length; i += 4) {
    s0 += a[i]! * b[i]!
    s1 += a[i + 1]! * b[i + 1]!
    s2 += a[i + 2]! * b[i + 2]!
    s3 += a[i + 3]! * b[i + 3]!
  }
  for (; i < a.length; i++) s0 += a[i]! * b[i]!
  return s0 + s1 + (s2 + s3)
}

function addScaled(to: Vector, factor: number, from: Vector): void {
  for (let i = 0; i < to.length; i++) to[i] = to[i]! + factor * from[i]!
}

function maxNorm(a: Vector): number {
  let max = 0
  for (let i = 0; i < a.length; i++) {
    const value = Math.abs(a[i]!)
    // A NaN must not look like convergence.
    if (!(value <= max)) max = value
  }
  return max
}
