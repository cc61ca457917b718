/** A program that fetches a model from the Hub and prints what came of it: for tests of two at once and of one that is killed. */
import { GraftError } from '#graft/base/errors.js'
import { resolveHub } from '#graft/models/hub/resolve.js'

const controller = new AbortController()
process.once('SIGINT', () => controller.abort())
try {
  const { commit, folder } = await resolveHub(process.argv[2] ?? '', {
    signal: controller.signal,
    onNotice: (text) => console.error(text),
    onProgress: ({ done }) => console.error(`at ${done}`),
  })
  console.log(JSON.stringify({ commit, folder }))
} catch (error) {
  console.log(JSON.stringify({ error: error instanceof GraftError ? error.message : String(error) }))
  process.exitCode = 1
}
