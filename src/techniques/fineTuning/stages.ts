/** Which layers train in which epoch, and at which multiple of the rate. */
import type { TuningSettings } from './settings.js'

/**
 * The first layer that trains in an epoch; it and all after it do.
 *
 * full, lp-ft: layer 0. gradual: the head alone at first, then one share of the layers more each epoch, all of them in the
 * last (Howard and Ruder 2018, who unfreeze one layer an epoch).
 */
export function firstTrained(
  schedule: TuningSettings['schedule'],
  epoch: number,
  epochs: number,
  layers: number,
): number {
  if (schedule !== 'gradual' || epochs === 1) return 0
  const trained = 1 + Math.round(((layers - 1) * epoch) / (epochs - 1))
  return Math.max(0, layers - trained)
}

/** Discriminative rates: layer l of L trains at decay^(L - 1 - l) of the rate. */
export function layerFactor(layer: number, layers: number, decay: number): number {
  return decay ** (layers - 1 - layer)
}
