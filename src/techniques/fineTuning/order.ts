/** The order in which an epoch visits the samples. */
import { InternalError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import type { AnyTargets } from '../../data/targets.js'
import type { SampleSource } from './network.js'

/** The order of an epoch: shuffled, or drawn so that every class comes equally often. */
export function epochOrder(
  { length, targets }: SampleSource<AnyTargets>,
  { balancedSampling }: { readonly balancedSampling: boolean },
  random: Random,
): Int32Array {
  if (!balancedSampling) return shuffledOrder(length, random)
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal')
    throw new InternalError(`balanced sampling of ${targets.kind} targets`)
  return balancedOrder(targets.labels, random)
}

/** Every sample once, shuffled. */
export function shuffledOrder(n: number, random: Random): Int32Array {
  return random.permutation(n)
}

/**
 * As many draws as there are samples, every class equally often (to within one): a class smaller than its share comes round
 * again only after all of its samples came, and of a larger one a random part is drawn. Samples without a class (-1) do not come.
 */
export function balancedOrder(labels: Int32Array, random: Random): Int32Array {
  const members = new Map<number, number[]>()
  labels.forEach((label, i) => {
    if (label < 0) return
    const list = members.get(label)
    if (list) list.push(i)
    else members.set(label, [i])
  })
  const classes = random.fork('classes').shuffle([...members.keys()].sort((a, b) => a - b))
  const drawn: number[] = []
  classes.forEach((label, k) => {
    const own = members.get(label) as number[]
    const share = Math.floor(labels.length / classes.length) + (k < labels.length % classes.length ? 1 : 0)
    for (let round = 0, left = share; left > 0; round++, left -= own.length)
      drawn.push(...random.fork('class', label, round).shuffle(own).slice(0, left))
  })
  return Int32Array.from(random.fork('mix').shuffle(drawn))
}
