/** The script of the engine's worker, where {@link startWorker} and bundlers look for it. */
import '../../runtime/worker.js'
