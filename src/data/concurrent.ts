/** Bounded concurrency that keeps the order: how decoding runs ahead of whoever consumes it. */

export interface AheadOptions {
  /** Pieces of work under way at once. */
  readonly concurrency: number
  /** Results kept for the consumer, at most, counting those under way. Default: `concurrency`. */
  readonly ahead?: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Yields `work(item)` for every item in order, with later ones already under way in the background. An error is thrown at
 * its item's turn. Ending the iteration early starts nothing more and waits for what was under way.
 */
export async function* mapAhead<T, R>(
  items: Iterable<T>,
  work: (item: T, index: number) => Promise<R>,
  options: AheadOptions,
): AsyncGenerator<R> {
  const iterator = items[Symbol.iterator]()
  const ahead = Math.max(1, options.ahead ?? options.concurrency)
  const queue: Promise<R>[] = []
  let running = 0
  let index = 0
  let exhausted = false
  const start = async (item: T, at: number): Promise<R> => {
    running++
    try {
      return await work(item, at)
    } finally {
      running--
      fill()
    }
  }
  const fill = (): void => {
    while (!exhausted && running < options.concurrency && queue.length < ahead && options.signal?.aborted !== true) {
      const next = iterator.next()
      if (next.done === true) {
        exhausted = true
        return
      }
      const result = start(next.value, index++)
      // Its turn may come much later: until then a failure must not count as unhandled.
      result.catch(() => undefined)
      queue.push(result)
    }
  }
  try {
    for (fill(); ; ) {
      options.signal?.throwIfAborted()
      const first = queue.shift()
      if (first === undefined) return
      const value = await first
      fill()
      yield value
    }
  } finally {
    exhausted = true
    await Promise.allSettled(queue)
  }
}

/** Does `work` for every item as they come, so many at once. At the first failure nothing more is begun, and it is thrown when all has ended. */
export async function eachAtOnce<T>(
  items: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>()
  try {
    for await (const item of items) {
      const one: Promise<void> = work(item).finally(() => underWay.delete(one))
      // Awaited below; until then a failure must not count as unhandled.
      one.catch(() => undefined)
      underWay.add(one)
      if (underWay.size >= atOnce) await Promise.race(underWay)
    }
    await Promise.all(underWay)
  } finally {
    await Promise.allSettled(underWay)
  }
}
