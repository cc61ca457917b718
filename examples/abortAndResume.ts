/** A run is stopped after two epochs and goes on to the same weights: `node build/examples/abortAndResume.js [PHOTOS] [OUT]`. */
import { AbortedError, featureExtraction, resume, transfer } from 'graft-ml'

const [data = 'examples/clothing-mini', out = 'resumed-model'] = process.argv.slice(2)
const technique = featureExtraction({ unfreeze: 1, epochs: 6 })

const stop = new AbortController()
try {
  for await (const event of transfer({ data, out, technique, overwrite: true, signal: stop.signal }))
    if (event.type === 'epoch' && event.epoch === 2) stop.abort()
} catch (error) {
  if (!(error instanceof AbortedError)) throw error
  console.log(`${error.message} It can go on from ${error.resumeFrom}.`)
}

const run = resume(out)
for await (const event of run)
  if (event.type === 'epoch') console.log(`epoch ${event.epoch} of ${event.epochs}, loss ${event.trainLoss.toFixed(3)}`)
const { model, evaluation } = await run
console.log(`accuracy ${evaluation?.accuracy?.toFixed(3)}`)
await model.close()
