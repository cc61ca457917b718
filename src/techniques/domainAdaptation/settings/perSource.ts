/** Several sources: a method is applied to each of them and the target, and sources near the target count more. */
import { UsageError } from '../../../base/errors.js'
import { columnMeans } from '../../../base/linearAlgebra.js'
import type { Matrix } from '../../../base/matrix.js'
import type { GraphBuilder } from '../../../ops/builder.js'
import { floats } from '../../../runtime/types.js'
import type { LossContext } from '../../fineTuning/method.js'
import { checkClasses, severalSources, targetDomain } from '../checks.js'
import { type AdaptationMethod, classFeatures } from '../method.js'
import { bothKept, checkClassifies, withContext } from './around.js'

export interface PerSourceOptions {
  /** even: sources count alike. near: the nearer to the target, the more. @default 'near' */
  readonly weights?: 'even' | 'near'
  /** With near: how strongly; 0 is even. @default 1 */
  readonly sharpness?: number
}

/**
 * L = S sum over sources s of a_s (classification of s) / S + sum over s of a_s M(s, target), M the method's term on the rows of that
 * source and the target alone; its discriminators and other parameters are one set for all pairs. a_s is even, or
 * softmax(- sharpness d_s / mean d), d_s the squared distance of the means of the features of s and the target, found at the start of each
 * epoch (after the weighting by discrepancy of Peng et al. 2019, arXiv:1812.01754, and Zhao et al. 2018, arXiv:1705.09684). Without it
 * methods see all sources as one.
 *
 * @param method applied to each pair
 */
export function perSource(method: AdaptationMethod, options: PerSourceOptions = {}): AdaptationMethod {
  const { weights = 'near', sharpness = 1 } = options
  if (!(sharpness >= 0)) throw new UsageError(`Several sources: sharpness is ${sharpness}; expected 0 or more.`)
  const name = `per-source ${method.name}`
  const title = `${method.title}, each source`
  return {
    name,
    title,
    paper: `Peng et al. 2019, arXiv:1812.01754; ${method.paper}`,
    needs: [...method.needs, 'several sources'],
    ...(method.weighs === undefined ? {} : { weighs: method.weighs }),
    options: { weights, sharpness, within: { name: method.name, options: method.options } },
    ...(method.takes && { takes: () => method.takes?.() ?? {} }),
    async prepare(context) {
      const { objective, train } = context
      checkClasses(objective, title)
      const { value } = classFeatures(context, title)
      const sources = severalSources(train, title)
      const target = targetDomain(train, title)
      const inner = await method.prepare(context)
      checkClassifies(inner, title)
      const even = new Float32Array(sources.length).fill(1 / sources.length)
      /** A term for each pair, weighed. */
      const pairs = (loss: LossContext, term: (pair: LossContext) => string): string => {
        const { g } = loss
        const shares = loss.feed('source weights', [sources.length])
        const terms = sources.map(({ name: source }, s) => {
          const domains = loss.domains.filter((own) => own.name === source || !own.labelled)
          return g.op('Mul', [term(withContext(loss, { domains })), entry(g, shares, s)])
        })
        return terms.reduce((sum, one) => g.op('Add', [sum, one]))
      }
      return {
        ...inner,
        name,
        values: inner.values ?? [value],
        classifies: true,
        async epoch(epoch) {
          let found = even
          if (weights === 'near') {
            const own = await epoch.outputs(target.source)
            const others: Matrix[] = []
            for (const { source } of sources) others.push((await epoch.outputs(source)).features)
            found = nearness(others, own.features, sharpness)
          }
          return bothKept({ 'source weights': floats([sources.length], found) }, inner, epoch)
        },
        ...(inner.phases && {
          phases: inner.phases.map((phase) => ({ ...phase, loss: (loss: LossContext) => pairs(loss, phase.loss) })),
        }),
        loss(loss) {
          const { g, logits, targets } = loss
          const shares = loss.feed('source weights', [sources.length])
          const add = pairs(loss, (pair) => {
            const term = inner.loss?.(pair) ?? { add: g.float(0) }
            if ((term.own ?? 1) !== 1 || term.remembers !== undefined)
              throw new UsageError(
                `${title}: ${method.title} changes the classification or keeps something between steps.`,
                {
                  remedy: 'Apply it to all sources as one: leave the setting out.',
                },
              )
            return term.add
          })
          const weighed = g.op('Mul', [loss.weights, rowFactors(loss, shares, sources)])
          return { own: 0, add: g.op('Add', [objective.loss(g, logits, targets, weighed), add]) }
        },
      }
    },
  }
}

/** S a_s for the rows of source s, 1 for those of the target, (N). */
function rowFactors(
  { g, domains, weights }: LossContext,
  shares: string,
  sources: readonly { name: string }[],
): string {
  const [n] = g.shape(weights) as [number]
  const count = sources.length
  const belongs = new Float32Array(n * count)
  const others = new Float32Array(n)
  for (const { name, start, rows } of domains) {
    const s = sources.findIndex((own) => own.name === name)
    for (let i = start; i < start + rows; i++)
      if (s < 0) others[i] = 1
      else belongs[i * count + s] = count
  }
  const column = g.op('Reshape', [shares, g.ints([count, 1])])
  const own = g.op('MatMul', [g.constant({ type: 'float32', dims: [n, count], data: belongs }), column])
  return g.op('Add', [g.op('Reshape', [own, g.ints([n])]), g.constant({ type: 'float32', dims: [n], data: others })])
}

/** One number of a vector, a scalar. */
function entry(g: GraphBuilder, vector: string, at: number): string {
  return g.op('Squeeze', [
    g.op('Slice', [vector, g.ints([at]), g.ints([at + 1]), g.ints([0]), g.ints([1])]),
    g.ints([0]),
  ])
}

/** softmax(- sharpness d_s / mean d), (S). */
export function nearness(sources: readonly Matrix[], target: Matrix, sharpness: number): Float32Array<ArrayBuffer> {
  const centre = columnMeans(target)
  const distances = sources.map((features) =>
    columnMeans(features).reduce((sum, v, d) => sum + (v - centre[d]!) ** 2, 0),
  )
  const mean = distances.reduce((sum, d) => sum + d, 0) / distances.length
  const powers = distances.map((d) => Math.exp(mean > 0 ? (-sharpness * d) / mean : 0))
  const total = powers.reduce((sum, p) => sum + p, 0)
  return Float32Array.from(powers, (p) => p / total)
}
