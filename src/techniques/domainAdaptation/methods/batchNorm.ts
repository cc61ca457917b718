/** What methods of batch norm ask of a network. */
import { GraftError } from '../../../base/errors.js'
import type { Network } from '../../fineTuning/network.js'

/** @throws GraftError where the network has no batch norm, saying what can be had instead */
export function checkBatchNorm(network: Network, title: string): void {
  if (network.model.graph.nodes.some(({ opType }) => opType === 'BatchNormalization')) return
  throw new GraftError(
    `${title} changes the statistics of batch norm; this network has no batch norm (exporters often fold it into the convolutions).`,
    {
      remedy:
        'Take a network that still has it, or standardise the cached features of each domain by themselves, which is the same idea one layer up.',
    },
  )
}
