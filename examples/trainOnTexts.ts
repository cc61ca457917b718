/** A table of texts becomes a sentiment model: `node build/examples/trainOnTexts.js [TEXTS] [OUT]`. */
import { featureExtraction, texts, transfer } from 'graft-ml'

const [file = 'examples/reviews/reviews.csv', out = 'my-text-model'] = process.argv.slice(2)

const data = await texts(file)
for (const note of data.notes) console.log(note)
for (const warning of data.warnings) console.log(warning)

// A classifier on the features takes seconds. With so few labels `graft train` would train on pairs of texts too.
const technique = featureExtraction({ classifier: 'linear-probe' })
const { model, evaluation } = await transfer({ data, out, technique, overwrite: true, test: 0.25 })
if (evaluation?.accuracy !== undefined)
  console.log(`accuracy ${evaluation.accuracy.toFixed(3)} on ${evaluation.n} texts (${evaluation.split})`)
const [best] = await model.predict('A lovely little place, we will come again.')
console.log(`${best?.label} ${best?.score.toFixed(3)}`)
await model.close()
