/** What a page cannot do, refused with what to do instead. */
import { GraftError } from '../../base/errors.js'

/** A function that refuses: it fits wherever the one that Node has is called. */
export function absent(what: string, remedy: string): () => never {
  return () => {
    throw new GraftError(`A browser ${what}.`, { remedy })
  }
}
