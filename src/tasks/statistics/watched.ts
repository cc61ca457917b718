/** The second network of a model, for when it is asked what it does not know: opened at the first question and then kept. */
import type { ModelFolderContents } from '../../models/modelFolder.js'
import { type UnknownOptions, type Watch, watchFor } from './unknown.js'

export interface Watched<N extends { close(): Promise<void> }> {
  /** @throws as {@link watchFor} */
  open(options: UnknownOptions): { readonly network: N; readonly watch: Watch }
  close(): Promise<void>
}

/** @param make the network of a model folder's contents */
export function watched<N extends { close(): Promise<void> }>(
  contents: ModelFolderContents,
  make: (contents: ModelFolderContents) => N,
): Watched<N> {
  let network: N | undefined
  return {
    open(options) {
      const watch = watchFor(contents, options)
      network ??= make(watch.contents)
      return { network, watch }
    },
    async close() {
      await network?.close()
      network = undefined
    },
  }
}
