/** CORAL across sources: the features of all labelled domains get the same covariance and mean. */
import { coral } from '../../losses/domain/coral.js'
import { sumOfSquares } from '../../losses/weighted.js'
import type { GraphBuilder } from '../../ops/builder.js'
import { severalSources } from '../domainAdaptation/checks.js'
import { type AdaptationMethod, asTerm, classFeatures, sidesOf } from '../domainAdaptation/method.js'
import { checkWeight } from '../domainAdaptation/methods/targetTerm.js'

export interface CoralAcrossOptions {
  /** Of the distances beside the classification. @default 1 */
  readonly weight?: number
}

/**
 * L + weight mean over pairs of domains of (norm_F(C_i - C_j)^2 + norm(m_i - m_j)^2) / D, C and m the covariance and mean of the features
 * that go into the head (Sun and Saenko 2016, "Deep CORAL", arXiv:1607.01719; between sources and with the means as Gulrajani and
 * Lopez-Paz 2020, "In Search of Lost Domain Generalization", arXiv:2007.01434, have it).
 */
export function coralAcross(options: CoralAcrossOptions = {}): AdaptationMethod {
  const { weight = 1 } = options
  const name = 'coral-across'
  const title = 'CORAL across sources'
  checkWeight(title, weight)
  return {
    name,
    title,
    paper: 'Sun and Saenko 2016, arXiv:1607.01719; Gulrajani and Lopez-Paz 2020, arXiv:2007.01434',
    needs: ['features', 'several sources'],
    options: { weight },
    prepare(context) {
      const { value, width } = classFeatures(context, title)
      severalSources(context.train, title)
      return {
        name,
        values: [value],
        loss(loss) {
          const { g } = loss
          const features = sidesOf(loss, value).sources.map((side) => side.features)
          const pairs = features.flatMap((a, i) => features.slice(i + 1).map((b) => distance(g, a, b, width)))
          const sum = pairs.reduce((total, one) => g.op('Add', [total, one]))
          return { add: asTerm(loss, sum, weight / pairs.length) }
        },
      }
    },
  }
}

function distance(g: GraphBuilder, a: string, b: string, width: number): string {
  const mean = (x: string) => g.op('ReduceMean', [x, g.ints([0])], { keepdims: { kind: 'int', value: 0 } })
  const means = sumOfSquares(g, g.op('Sub', [mean(a), mean(b)]))
  // What coral divides by 4 D^2 is wanted by D.
  const covariances = g.op('Mul', [coral(g, a, b), g.float(4 * width)])
  return g.op('Add', [covariances, g.op('Mul', [means, g.float(1 / width)])])
}
