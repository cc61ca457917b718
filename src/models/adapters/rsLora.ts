/**
 * rsLoRA: rank-stabilised LoRA (Kalajdzievski 2023, https://arxiv.org/abs/2312.03732). LoRA with the scale
 *
 *   alpha / sqrt(r)
 *
 * under which larger ranks learn as fast as small ones.
 */
import { lowRankMethod } from './lora.js'
import type { LowRankOptions } from './lowRank.js'
import type { AdapterMethod } from './method.js'

export type RsLoraOptions = LowRankOptions

/** @throws UsageError for a rank or alpha that is no positive number */
export function rsLora(options: RsLoraOptions = {}): AdapterMethod {
  return lowRankMethod('rslora', options, ({ rank, alpha }) => alpha / Math.sqrt(rank))
}
