/** The same photos with other techniques: `node build/examples/techniques.js [PHOTOS]`. A technique is a value with its options. */
import { featureExtraction, images, transfer } from 'graft-ml'

const [folder = 'examples/clothing-mini'] = process.argv.slice(2)
const data = await images(folder)

const techniques = {
  'linear probe': featureExtraction(),
  'nearest class mean': featureExtraction({ classifier: 'nearest-mean' }),
  'last block, averaged weights': featureExtraction({ unfreeze: 1, epochs: 10, ema: 0.9, labelSmoothing: 0.1 }),
}

for (const [name, technique] of Object.entries(techniques)) {
  // Without `out` nothing is written; `model.save('./folder')` would.
  const { model, evaluation } = await transfer({ data, technique, seed: 1 })
  console.log(`${name}: ${evaluation?.accuracy.toFixed(3)}`)
  await model.close()
}
