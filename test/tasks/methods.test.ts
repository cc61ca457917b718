/** Methods of fine-tuning by name: how they are written, what is refused, and what they leave in the saved model. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { UsageError } from '#graft/base/errors.js'
import {
  distillation,
  fineTuning,
  lora,
  normTuning,
  type RunEvent,
  type TransferOptions,
  transfer,
} from '#graft/index.js'
import { decodeAdapter } from '#graft/models/adapters/index.js'
import { openModel } from '#graft/models/modelFile.js'
import { methodText, parseMethod, splitList } from '#graft/tasks/training/methods/specification.js'
import { chooseMethods, METHODS } from '#graft/tasks/training/methods/table.js'
import { textOf } from '#graft/tasks/training/methods/values.js'
import { smallPhotos } from '../support/graft.js'
import { tinyModel, writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let photos: string
let backbone: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-methods-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  photos = smallPhotos(join(folder, 'photos'))
  backbone = writeTinyBackbone(join(folder, 'backbone'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('a method is read from text and written as the same text', () => {
  assert.deepEqual(parseMethod(' LoRA( rank = 8,targets=query|value ,x=true) '), {
    name: 'lora',
    options: { rank: 8, targets: ['query', 'value'], x: true },
  })
  for (const text of ['l2-sp', 'lora(rank=8, targets=query|value)', 'distillation(teacher=./a b/c, alpha=0.3)'])
    assert.equal(methodText(parseMethod(text)), text)
  assert.deepEqual(splitList('lora(rank=8,alpha=2), sam,bss(k=1)'), ['lora(rank=8,alpha=2)', 'sam', 'bss(k=1)'])
  assert.equal(textOf(lora({ rank: 4 })), 'lora(rank=4, alpha=8)')
  for (const text of ['', 'lora(rank', 'lora)(', 'lora(rank)', 'lora(a=1,a=2)', 'two words'])
    assert.throws(() => parseMethod(text), UsageError, text)
})

test('what there is not, and what does not go together, is refused with the remedy', () => {
  const refused = (texts: string[], message: RegExp, remedy = /./) =>
    assert.throws(
      () => chooseMethods(texts),
      (error: unknown) => error instanceof UsageError && message.test(error.message) && remedy.test(error.remedy ?? ''),
    )
  refused(['loar'], /no method "loar"/, /Did you mean lora\?/)
  refused(['lora(size=3)'], /lora has no option "size"/, /rank, alpha, targets/)
  refused(['lora', 'bitfit'], /lora and bitfit both decide what trains/)
  refused(['sam', 'sam(rho=0.1)'], /named twice/)
  assert.throws(() => chooseMethods(['lora(rank=many)']), /rank is "many"; expected a number/)
  assert.throws(() => chooseMethods(['lora(rank=0)']), /rank is 0/)
})

test('every method of the table can be made', () => {
  for (const [name, { family }] of Object.entries(METHODS)) {
    const { adapter, additions } = chooseMethods([name])
    assert.equal(family === 'adapter' ? adapter?.name : additions[0]?.name, name)
    assert.equal(adapter !== undefined && adapter.rate === undefined, false, `${name} has no learning rate`)
  }
})

async function train(given: Partial<TransferOptions>) {
  const run = transfer({ data: photos, backbone, threads: 1, seed: 4, report: false, ...given })
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  return { events, result: await run }
}

const initializersOf = async (out: string) =>
  (await openModel(join(out, 'onnx', 'model.onnx'))).model.graph.initializers

test('an adapter leaves every weight that it is not merged into as it was, says what trains, and is saved apart', async () => {
  const out = join(folder, 'lora')
  const technique = fineTuning({ methods: [lora({ rank: 2, targets: ['conv1'] })], epochs: 2 })
  const { events } = await train({ technique, out })
  const before = tinyModel().graph.initializers
  const now = await initializersOf(out)
  for (const name of ['conv0.weight', 'conv2.weight', 'norm0.gamma', 'norm1.mean'])
    assert.deepEqual(now.get(name)?.data, before.get(name)?.data, name)
  assert.notDeepEqual(now.get('conv1.weight')?.data, before.get('conv1.weight')?.data)
  const said = events.find((event) => event.type === 'decision' && event.name === 'trainable parameters')
  // A (2, 8, 3, 3), B (12, 2), the head (3, 16) and (3).
  assert.equal(said?.type === 'decision' && said.choice, 144 + 24 + 48 + 3)
  const apart = existsSync(join(out, 'adapter', 'adapter_model.safetensors'))
  assert.ok(apart, 'no adapter files')
  const config = JSON.parse(readFileSync(join(out, 'adapter', 'adapter_config.json'), 'utf8')) as { r: number }
  assert.equal(config.r, 2)
})

test("an adapter that PEFT does not know is saved in Graft's own form, with the reason, and read again", async () => {
  const out = join(folder, 'norms')
  const { events } = await train({ technique: fineTuning({ methods: [normTuning()], epochs: 1 }), out })
  const said = events.find((event) => event.type === 'decision' && event.name === 'adapter files')
  assert.ok(said?.type === 'decision' && /PEFT's files hold LoRA/.test(said.reason))
  const { weights } = decodeAdapter(tinyModel(), readFileSync(join(out, 'adapter', 'adapter.safetensors')))
  const now = await initializersOf(out)
  for (const name of ['norm0.gamma', 'norm2.beta']) assert.deepEqual(weights.get(name)?.data, now.get(name)?.data)
  assert.deepEqual(now.get('conv0.weight')?.data, tinyModel().graph.initializers.get('conv0.weight')?.data)
})

test('a teacher must know the same classes in the same order', async () => {
  const teacher = join(folder, 'teacher')
  await train({ technique: fineTuning({ epochs: 1 }), out: teacher })
  const taught = await train({ technique: fineTuning({ methods: [distillation({ teacher })], epochs: 1 }) })
  assert.equal(taught.result.evaluation?.n, 12)
  await assert.rejects(
    train({ technique: fineTuning({ methods: [distillation({ teacher: backbone })], epochs: 1 }) }),
    /names no classes; the data has dress, hat, longsleeve/,
  )
})

test('methods are refused where nothing would train by them', async () => {
  const methods = ['lora']
  await assert.rejects(train({ technique: 'feature-extraction', methods }), /lora is a method of fine-tuning/)
  await assert.rejects(train({ technique: 'feature-extraction', unfreeze: 1, methods }), /so does --unfreeze/)
  await assert.rejects(train({ technique: fineTuning({ schedule: 'gradual', methods }) }), /the schedule is gradual/)
  await assert.rejects(
    train({ technique: fineTuning({ methods: ['lwf'], epochs: 1 }) }),
    /no classes of its own that could be forgotten/,
  )
})
