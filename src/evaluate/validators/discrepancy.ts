import { squaredDistances } from '../shift/distances.js'
import { gaussianKernel, unbiasedMmd } from '../shift/kernel.js'
import { stackRows } from '../shift/rows.js'
import { someRows } from './someRows.js'
import type { Validator } from './validator.js'

/**
 * -MMD² (unbiased, five Gaussians around the median distance) between the candidate's own source and target features. Near 0 where
 * the domains cannot be told apart in them; features that hold nothing are as near. At most 300 samples a side.
 */
export const discrepancy: Validator = {
  name: 'discrepancy',
  title: 'nearness of source and target features (negative MMD)',
  paper: 'Gretton, Borgwardt, Rasch, Schölkopf, Smola 2012, A Kernel Two-Sample Test, JMLR 13',
  score: ({ source, target }, _, { random }) => {
    if (source.features.rows < 2 || target.features.rows < 2) return undefined
    const a = someRows(source.features, 300, random.fork('discrepancy', 'source'))
    const b = someRows(target.features, 300, random.fork('discrepancy', 'target'))
    const joined = stackRows(a, b)
    const n = joined.rows
    const kernel = gaussianKernel(squaredDistances(joined), n)
    return -unbiasedMmd(
      kernel,
      n,
      Int32Array.from({ length: a.rows }, (_, i) => i),
      Int32Array.from({ length: b.rows }, (_, i) => a.rows + i),
    )
  },
}
