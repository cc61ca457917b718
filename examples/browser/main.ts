/** A page that trains a classifier on photos which never leave it; `serve.ts` shows it. */
import {
  floats,
  imageModel,
  imageTransform,
  openEngine,
  readModel,
  softmaxRows,
  trainHead,
  writeModel,
} from 'graft-ml/browser'

const BACKBONE = 'efficientnet-lite0'
const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T
const files = (id: string) => [...(element<HTMLInputElement>(id).files ?? [])]
const say = (text: string) => {
  element('state').textContent = text
}

const file = async (path: string) => (await fetch(`${BACKBONE}/${path}`)).arrayBuffer()
const network = new Uint8Array(await file('onnx/model.onnx'))
const preprocessor = JSON.parse(new TextDecoder().decode(await file('preprocessor_config.json')))
const { model } = imageModel(readModel(network), BACKBONE)
const transform = imageTransform(preprocessor)
const engine = await openEngine()
say(`Ready, with ${engine.threads} thread${engine.threads === 1 ? '' : 's'}.`)

/** The network's input for some photos. */
async function pixels(photos: readonly File[]) {
  const size = 3 * transform.height * transform.width
  const data = new Float32Array(photos.length * size)
  for (const [i, photo] of photos.entries()) {
    const image = await transform.fromBytes(new Uint8Array(await photo.arrayBuffer()))
    transform.normalise(image, data, i * size)
  }
  return { dims: [photos.length, 3, transform.height, transform.width], data }
}

async function train() {
  const photos = [files('first'), files('second')]
  const inputs = await pixels(photos.flat())
  const labels = photos.flatMap((own, label) => own.map(() => label))
  const run = trainHead({ engine, model, train: { inputs, labels }, classes: 2 })
  for await (const event of run)
    if (event.type === 'progress') say(`${event.phase}: ${event.done} of ${event.total} ${event.unit}`)
  const trained = await run
  const link = element<HTMLAnchorElement>('save')
  link.href = URL.createObjectURL(new Blob([writeModel(trained.model) as Uint8Array<ArrayBuffer>]))
  link.hidden = false

  const program = await engine.load({ model: trained.model, state: [] })
  const chooser = element<HTMLInputElement>('photo')
  chooser.disabled = false
  chooser.onchange = async () => {
    element('answer').textContent = ''
    const inputs = await pixels(files('photo'))
    const { logits } = await program.run({ pixel_values: floats(inputs.dims, inputs.data) })
    const { data } = softmaxRows({ rows: 1, columns: 2, data: logits?.data as Float32Array })
    const [first = 0, second = 0] = data
    element('answer').textContent = `${first > second ? 'First' : 'Second'}, ${Math.max(first, second).toFixed(3)}`
  }
  const accuracy = trained.classifier.outOfFold?.accuracy
  say(accuracy === undefined ? 'Trained.' : `Trained: ${(100 * accuracy).toFixed(0)}% right in cross-validation.`)
}

element('train').onclick = () => {
  train().catch((error: { message: string; remedy?: string }) => say(`${error.message} ${error.remedy ?? ''}`))
}
