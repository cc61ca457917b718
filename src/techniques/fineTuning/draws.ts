/** Orders in which samples of one domain are drawn. */
import type { Random } from '../../base/random.js'

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
