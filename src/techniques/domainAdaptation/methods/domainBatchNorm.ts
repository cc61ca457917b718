/** Domain-specific batch norm: each domain's rows are normalised by their own statistics. */
import { targetDomain } from '../checks.js'
import type { AdaptationMethod } from '../method.js'
import { checkBatchNorm } from './batchNorm.js'

export interface DomainBatchNormOptions {
  /** Scale and shift are each domain's own too, as in the paper. @default true */
  readonly affine?: boolean
}

/**
 * Every batch norm takes mean and variance over the rows of one domain at a time, and has a scale and shift for each; the network that is
 * saved has the target's (Chang, You, Seo, Kwak and Han 2019, "Domain-Specific Batch Normalization for Unsupervised Domain Adaptation",
 * arXiv:1906.03950). It adds no loss: name it beside a method that learns from the target, such as pseudo-labels, without which nothing
 * trains the target's scale and shift. It takes the place of frozen or train-mode batch norm. The
 * network then reads source samples by the target's statistics: train without validation on the source, which would keep a wrong epoch.
 */
export function domainBatchNorm(options: DomainBatchNormOptions = {}): AdaptationMethod {
  const { affine = true } = options
  const name = 'domain-batch-norm'
  const title = 'Domain-specific batch norm'
  return {
    name,
    title,
    paper: 'Chang, You, Seo, Kwak and Han 2019, Domain-Specific Batch Normalization, arXiv:1906.03950',
    needs: ['batch norm'],
    options: { affine },
    prepare({ network, train }) {
      checkBatchNorm(network, title)
      return { name, batchNorm: { kind: 'domains', keeps: targetDomain(train, title).name, affine } }
    },
  }
}
