/**
 * The operator table: every operator that Graft knows, one row each, by domain. A row without a shape rule or without an
 * answer about its gradient does not compile.
 */
import type { Dimension } from '../graph/graph.js'
import { activations } from './activations.js'
import { microsoftAttentions } from './attention/microsoft.js'
import { attentions } from './attention/standard.js'
import { bits } from './bits.js'
import { channelNormalizations } from './channelNormalization.js'
import { convolutions } from './convolution.js'
import { transposedConvolutions } from './convTranspose.js'
import { criteria } from './criteria.js'
import { cumulative } from './cumulative.js'
import { deformable } from './deformable.js'
import { determinants, microsoftDeterminants } from './determinant.js'
import { einsum } from './einsum.js'
import { elementwise } from './elementwise.js'
import { microsoftConvolutions } from './fusedConvolution.js'
import { microsoftNormalizations } from './fusedNormalization.js'
import { sampling } from './gridSample.js'
import { indexing } from './indexing.js'
import { logic } from './logic.js'
import { microsoftProducts, products } from './matmul.js'
import { microsoftFused } from './microsoftFused.js'
import { movement } from './movement.js'
import { normalizations } from './normalization.js'
import { MICROSOFT, none, type Operator, refuse } from './operator.js'
import { paddings } from './padding.js'
import { microsoftPools, pools } from './pooling.js'
import { microsoftQuantizations, quantizations } from './quantization.js'
import { microsoftQuantizedOperators, quantizedOperators } from './quantizedOperators.js'
import { randoms } from './random.js'
import { rearrangements } from './rearrange.js'
import { recurrent } from './recurrent/rows.js'
import { reductions } from './reduction.js'
import { regions } from './regions.js'
import { resizes } from './resize.js'
import { scatters } from './scatter.js'
import { selections } from './selection.js'
import { shapes } from './shapes.js'
import { spectral } from './spectral.js'
import { trigonometry } from './trigonometry.js'
import { unpooling } from './unpooling.js'

/** Operators that only rules and training programs write. */
const internal = {
  If: {
    infer: (c) => {
      const branch = c.node.attributes.get('then_branch')
      if (branch?.kind !== 'graph') return c.fail('has no then_branch')
      return branch.value.outputs.map((output) => ({ type: output.type, shape: staticShape(output.shape, c.fail) }))
    },
    gradient: refuse('its branch is chosen while running; a branch that is known before is read in its place'),
  },
  // Without state from iteration to iteration, over the first axis.
  Scan: {
    infer: (c) => {
      const body = c.node.attributes.get('body')
      if (body?.kind !== 'graph') return c.fail('has no body')
      const [count] = c.shape(0)
      return body.value.outputs.map(({ type, shape }) => ({ type, shape: [count ?? 0, ...staticShape(shape, c.fail)] }))
    },
    gradient: refuse('it is written where no gradient is taken; one that is read is its iterations'),
  },
} as const satisfies Record<string, Operator>

function staticShape(shape: readonly Dimension[] | undefined, fail: (message: string) => never): readonly number[] {
  return (
    shape?.map((d) => (typeof d === 'number' ? d : fail('gives out a value without a static shape'))) ??
    fail('gives out a value without a shape')
  )
}

const constant = {
  // Read as an initializer before any row is asked.
  Constant: { infer: (c) => c.fail('holds no value'), gradient: none('a constant') },
} as const satisfies Record<string, Operator>

export const STANDARD = {
  ...constant,
  ...elementwise,
  ...trigonometry,
  ...activations,
  ...bits,
  ...cumulative,
  ...einsum,
  ...determinants,
  ...criteria,
  ...randoms,
  ...spectral,
  ...attentions,
  ...logic,
  ...movement,
  ...indexing,
  ...scatters,
  ...paddings,
  ...rearrangements,
  ...selections,
  ...resizes,
  ...sampling,
  ...shapes,
  ...reductions,
  ...products,
  ...convolutions,
  ...transposedConvolutions,
  ...deformable,
  ...pools,
  ...unpooling,
  ...regions,
  ...recurrent,
  ...quantizations,
  ...quantizedOperators,
  ...normalizations,
  ...channelNormalizations,
  ...internal,
} as const satisfies Record<string, Operator>

const MICROSOFTS = {
  ...microsoftProducts,
  ...microsoftDeterminants,
  ...microsoftFused,
  ...microsoftAttentions,
  ...microsoftQuantizations,
  ...microsoftQuantizedOperators,
  ...microsoftConvolutions,
  ...microsoftPools,
  ...microsoftNormalizations,
} as const satisfies Record<string, Operator>

const DOMAINS: ReadonlyMap<string, ReadonlyMap<string, Operator>> = new Map([
  ['', new Map<string, Operator>(Object.entries(STANDARD))],
  [MICROSOFT, new Map<string, Operator>(Object.entries(MICROSOFTS))],
])

/** The row of an operator; undefined for an unknown one. */
export function lookup(domain: string, opType: string): Operator | undefined {
  return DOMAINS.get(domain === 'ai.onnx' ? '' : domain)?.get(opType)
}

/** All rows, for listings and tests. */
export function rows(): { domain: string; opType: string; operator: Operator }[] {
  return [...DOMAINS].flatMap(([domain, map]) => [...map].map(([opType, operator]) => ({ domain, opType, operator })))
}
