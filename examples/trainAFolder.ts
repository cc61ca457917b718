/** A folder of photos becomes a model: `node build/examples/trainAFolder.js [PHOTOS] [OUT]`. */
import { images, transfer } from 'graft-ml'

const [folder = 'examples/clothing-mini', out = 'my-model'] = process.argv.slice(2)

const data = await images(folder)
console.log(`${data.samples.length} photos of ${data.classes.join(', ')}`)

const run = transfer({ data, out, overwrite: true })
for await (const event of run) {
  if (event.type === 'phase') console.log(event.message)
  if (event.type === 'decision') console.log(`  ${event.name}: ${event.choice} (${event.reason})`)
}

const { model, evaluation, reportPath } = await run
if (evaluation)
  console.log(`accuracy ${evaluation.accuracy.toFixed(3)} on ${evaluation.n} photos (${evaluation.split})`)
console.log(`labels: ${model.labels.join(', ')}; report: ${reportPath}`)
await model.close()
