/**
 * Batches of several domains: how many rows each has, and the order in which an epoch visits their samples. An epoch's order is
 * a whole number of batches, each written out as it will be fed: a block of each domain, one after the other.
 */
import { GraftError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { balancedOrder, shuffledOrder } from './draws.js'
import type { DomainRows } from './method.js'
import type { Domain } from './network.js'

/** How often a small domain comes round in one epoch at the most, however much larger another one is. */
const MOST_ROUNDS = 20

/**
 * The block of each domain in a batch of this size: as the domains say where the size is theirs, in proportion where it is a part
 * of it (micro-batches).
 *
 * @throws GraftError where a block would not be whole
 */
export function blocksOf(domains: readonly Domain[], batch: number): DomainRows[] {
  const total = domains.reduce((sum, { rows }) => sum + rows, 0)
  let start = 0
  return domains.map(({ name, rows: whole, labelled }) => {
    const rows = (whole * batch) / total
    if (!Number.isInteger(rows) || rows < 1)
      throw new GraftError(
        `A batch of ${batch} cannot be divided among the domains as ${domains.map((own) => `${own.rows} of ${own.name}`).join(' and ')} are.`,
        { remedy: `Take a batch of ${total}, or one that divides it so that every domain keeps whole rows.` },
      )
    const block = { name, start, rows, labelled }
    start += rows
    return block
  })
}

/**
 * Batches in an epoch: as many as the larger domain needs to be seen once, but no more than show the smallest one 20 times; of
 * the larger domain an epoch then sees a random part.
 */
export function batchesAnEpoch(domains: readonly Domain[], batch: number): number {
  const blocks = blocksOf(domains, batch)
  const needed = domains.map(({ length }, d) => Math.ceil(length / blocks[d]!.rows))
  return Math.min(Math.max(...needed), MOST_ROUNDS * Math.min(...needed))
}

/**
 * Every sample of the larger domain once; the others are begun again, each time in a new order.
 *
 * @param labels of all samples; where they are given, every class of a labelled domain comes equally often
 */
export function domainOrder(
  domains: readonly Domain[],
  batch: number,
  random: Random,
  labels: Int32Array | undefined,
): Int32Array {
  const blocks = blocksOf(domains, batch)
  const batches = batchesAnEpoch(domains, batch)
  const order = new Int32Array(batches * batch)
  domains.forEach(({ name, first, length, labelled }, d) => {
    const own = random.fork('domain', name)
    const { start, rows } = blocks[d]!
    const known = labelled && labels !== undefined ? labels.subarray(first, first + length) : undefined
    const round = (r: number) =>
      known === undefined ? shuffledOrder(length, own.fork(r)) : balancedOrder(known, own.fork(r))
    let drawn = round(0)
    for (let i = 0, r = 0, at = 0; i < batches * rows; i++, at++) {
      if (at === drawn.length) {
        drawn = round(++r)
        at = 0
      }
      order[Math.floor(i / rows) * batch + start + (i % rows)] = first + drawn[at]!
    }
  })
  return order
}
