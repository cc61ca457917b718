/** A saved model classifies photos: `node build/examples/predict.js MODEL PHOTOS...`. */
import { images, loadModel } from 'graft-ml'

const [folder = 'my-model', ...photos] = process.argv.slice(2)

const model = await loadModel(folder)
if (model.kind !== 'images') throw new Error(`${folder} holds a model of ${model.kind}`)
const data = await images(photos, { labels: false })
for await (const result of model.predictAll(data.samples, { top: 2 })) {
  if ('error' in result) console.error(result.error.message)
  else console.log(result.id, result.predictions.map(({ label, score }) => `${label} ${score.toFixed(3)}`).join(', '))
}
await model.close()
