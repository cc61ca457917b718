/** `graft export`: smaller files that transformers.js loads, and training programs that run elsewhere to the same numbers. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { after, before, describe, it, test } from 'node:test'
import { env, pipeline } from '@huggingface/transformers'
import { decodeSafetensors, encodeSafetensors } from '#graft/base/safetensors.js'
import { loadModel } from '#graft/index.js'
import { loadModelFolder } from '#graft/models/modelFolder.js'
import { readModel } from '#graft/onnx/reader.js'
import { writeModel } from '#graft/onnx/writer.js'
import { type Engine, type LoadedProgram, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor, scalarTensor } from '#graft/runtime/types.js'
import type { TrainingDescription } from '#graft/tasks/anyModel/trainingFiles.js'
import { assertClose, waves } from '../support/compare.js'
import { EXAMPLES, graft, objects, smallPhotos } from '../support/graft.js'
import { pythonWith } from '../support/python.js'
import { tinyModel, writeTinyBackbone } from '../support/tinyBackbone.js'

let root = ''
before(() => {
  // Inside the project: transformers.js takes relative paths as local.
  root = mkdtempSync(join(resolve('build'), 'export-test-'))
})
after(() => rmSync(root, { recursive: true, force: true }))

describe('smaller files', () => {
  let folder = ''
  let photos = ''
  before(async () => {
    photos = smallPhotos(join(root, 'photos'))
    const backbone = writeTinyBackbone(join(root, 'backbone'))
    folder = join(root, 'model')
    const trained = await graft(['train', photos, '--backbone', backbone, '--out', folder, '--no-report'], {
      cache: join(root, 'cache'),
    })
    assert.equal(trained.code, 0, trained.stderr)
  })

  for (const [dtype, file, tolerance] of [
    ['fp16', 'model_fp16.onnx', 1e-2],
    ['q8', 'model_quantized.onnx', 5e-2],
  ] as const)
    it(`${dtype} is measured, recorded, and loads in transformers.js`, async () => {
      const done = await graft(['export', folder, '--dtype', dtype, '--json'])
      assert.equal(done.code, 0, done.stderr)
      const [told] = objects(done) as { bytes: { before: number; after: number }; measured: { photos: number } }[]
      const path = join(folder, 'onnx', file)
      assert.equal(readFileSync(path).length, told?.bytes.after)
      assert.ok(told && told.bytes.after < told.bytes.before)
      assert.equal(told.measured.photos, 12, 'the photos of test/')

      const { record } = await loadModelFolder(folder)
      assert.ok(record.files[`onnx/${file}`])
      assert.ok((record.variants as Record<string, unknown>)[dtype])
      const card = readFileSync(join(folder, 'README.md'), 'utf8')
      assert.equal(card.split('## Smaller files').length, 2)
      assert.match(card, new RegExp(`\`${dtype}\` \\| \`onnx/${file}\``))

      env.allowRemoteModels = false
      const classify = await pipeline('image-classification', `./${relative(process.cwd(), folder)}`, { dtype })
      const model = await loadModel(folder)
      const name = readdirSync(join(photos, 'test')).sort()[0] as string
      const photo = join(photos, 'test', name, readdirSync(join(photos, 'test', name))[0] as string)
      const theirs = (await classify(photo, { top_k: 5 })) as { label: string; score: number }[]
      for (const { label, score } of await model.predict(photo)) {
        const other = theirs.find((one) => one.label === label)?.score ?? Number.NaN
        assert.ok(Math.abs(other - score) <= tolerance, `${label}: ${score} and ${other}`)
      }
      await model.close()
      await classify.dispose()
    })

  it('says so where the photos are gone, and where there are no classes', async () => {
    const moved = join(root, 'gone')
    const code = await graft(['train', photos, '--backbone', join(root, 'backbone'), '--out', moved, '--no-report'], {
      cache: join(root, 'cache'),
    })
    assert.equal(code.code, 0)
    const record = JSON.parse(readFileSync(join(moved, 'graft.json'), 'utf8')) as { data: { source: string } }
    writeFileSync(
      join(moved, 'graft.json'),
      JSON.stringify({ ...record, data: { ...record.data, source: '/nowhere/photos' } }),
    )
    const gone = await graft(['export', moved, '--dtype', 'q8'])
    assert.match(gone.stdout, /no longer at \/nowhere\/photos/)
    assert.match(gone.stdout, /Largest difference of an output/)
    const bare = join(root, 'tiny.onnx')
    writeFileSync(bare, writeModel(tinyModel()))
    const alone = await graft(['export', bare, '--dtype', 'fp16', '--data', EXAMPLES])
    assert.equal(alone.code, 0, alone.stderr)
    assert.match(alone.stdout, /--data is not used/)
    assert.ok(existsSync(join(root, 'tiny_fp16.onnx')))
    const wrong = await graft(['export', bare])
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /either --dtype or --training/)
  })
})

/** The programs in the engine, from the description alone. */
class Elsewhere {
  readonly engine: Engine
  readonly description: TrainingDescription
  readonly step: LoadedProgram
  readonly apply: LoadedProgram | undefined

  constructor(engine: Engine, description: TrainingDescription, step: LoadedProgram, apply: LoadedProgram | undefined) {
    this.engine = engine
    this.description = description
    this.step = step
    this.apply = apply
  }

  static async open(engine: Engine, folder: string): Promise<Elsewhere> {
    const description = JSON.parse(readFileSync(join(folder, 'training.json'), 'utf8')) as TrainingDescription
    const load = (program: TrainingDescription['step']) =>
      engine.load({
        model: readModel(readFileSync(join(folder, program.file))),
        state: program.state.map(({ name, input, output }) => ({
          name,
          input,
          ...(output === undefined ? {} : { output }),
        })),
      })
    await engine.setState(decodeSafetensors(readFileSync(join(folder, description.state.file))).tensors)
    const apply = description.apply ? await load(description.apply) : undefined
    return new Elsewhere(engine, description, await load(description.step), apply)
  }

  /** The loss of one update from these batches. */
  async update(batches: readonly Record<string, HostTensor>[]): Promise<number> {
    const { results, rates } = this.description
    const rate = Object.fromEntries(Object.entries(rates).map(([name, value]) => [name, scalarTensor(value)]))
    let loss = 0
    for (const batch of batches)
      loss += Number((await this.step.run({ ...batch, ...(this.apply ? {} : rate) }))[results.loss]?.data[0])
    await this.apply?.run(rate)
    return loss
  }

  async saveState(file: string): Promise<void> {
    const tensors = await this.engine.getState(this.description.state.tensors.map(({ name }) => name))
    writeFileSync(file, encodeSafetensors({ tensors, metadata: {} }))
  }
}

const BATCH = 4
const CLASSES = 5
const COUNT = 16

/** So many batches, one after another. */
function batchesOf(perStep: number) {
  const pixels = waves(1, COUNT * BATCH * 3 * 32 * 32)
  const targets = new Float32Array(COUNT * BATCH * CLASSES)
  for (let i = 0; i < COUNT * BATCH; i++) targets[i * CLASSES + ((7 * i) % CLASSES)] = 1
  const batches = Array.from({ length: COUNT }, (_, k): Record<string, HostTensor> => {
    const part = (all: Float32Array, one: number) => all.slice(k * BATCH * one, (k + 1) * BATCH * one)
    return {
      pixel_values: floats([BATCH, 3, 32, 32], part(pixels, 3 * 32 * 32)),
      'graft.targets': floats([BATCH, CLASSES], part(targets, CLASSES)),
      'graft.weights': floats([BATCH], new Float32Array(BATCH).fill(1 / (BATCH * perStep))),
    }
  })
  const file = encodeSafetensors({
    tensors: {
      pixel_values: floats([COUNT * BATCH, 3, 32, 32], pixels),
      'graft.targets': floats([COUNT * BATCH, CLASSES], targets),
    },
    metadata: {},
  })
  return { batches, file }
}

const python = pythonWith('numpy', 'onnxruntime', 'safetensors.numpy')

describe('training programs', () => {
  const settings: Readonly<Record<string, readonly string[]>> = {
    sgd: ['--lr', '0.05'],
    'adamw with averages': ['--optimizer', 'adamw', '--lr', '0.01', '--ema', '0.9', '--clip', '0'],
    'gradients added up, batch norm training': ['--accumulate', '--lr', '0.05', '--batch-norm', 'train'],
    'a frozen part, squared error': ['--freeze', 'conv0.*,norm*', '--loss', 'mse', '--lr', '0.01'],
  }

  for (const [name, flags] of Object.entries(settings))
    it(`${name}: the files alone train the model, and Python goes on to the same losses`, async (t) => {
      const bare = join(root, 'train.onnx')
      writeFileSync(bare, writeModel(tinyModel(1, CLASSES)))
      const out = join(root, name.replaceAll(' ', '-'))
      const done = await graft(['export', bare, '--training', '--out', out, '--batch', String(BATCH), ...flags])
      assert.equal(done.code, 0, done.stderr)
      const perStep = flags.includes('--accumulate') ? 2 : 1
      assert.equal(existsSync(join(out, 'apply.onnx')), perStep > 1)
      const { batches, file } = batchesOf(perStep)
      const given = join(out, 'batches.safetensors')
      writeFileSync(given, file)

      const engine = await openEngine({ threads: 2 })
      try {
        const training = await Elsewhere.open(engine, out)
        const stepBatches = (k: number) => batches.slice(k * perStep, (k + 1) * perStep)
        const first: number[] = []
        for (let k = 0; k < 3; k++) first.push(await training.update(stepBatches(k)))
        // The run stops here, and goes on in two places.
        await training.saveState(join(out, 'state.safetensors'))
        const losses: number[] = []
        for (let k = 0; k < 5; k++) losses.push(await training.update(stepBatches(k)))
        assert.ok(losses.every(Number.isFinite))
        assert.notEqual(losses[0], first[0], 'the weights have moved')
        if (python === undefined) {
          t.diagnostic('no Python with numpy, onnxruntime and safetensors: only the engine ran the files')
          return
        }
        const moved = join(out, 'moved.safetensors')
        const printed = execFileSync(
          python,
          [
            'examples/python/continue_training.py',
            out,
            given,
            '--steps',
            '5',
            '--json',
            '--accumulate',
            String(perStep),
            '--out',
            moved,
          ],
          { encoding: 'utf8' },
        )
        const theirs = printed
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as { loss: number }).loss)
        assertClose(theirs, losses, 'losses', 0, 1e-5)
        const ours = await engine.getState(training.description.state.tensors.map((tensor) => tensor.name))
        const { tensors } = decodeSafetensors(readFileSync(moved))
        for (const [key, tensor] of Object.entries(ours)) {
          assert.deepEqual(tensors[key]?.dims, tensor.dims, key)
          assertClose(tensors[key]?.data, tensor.data, key, 1e-4, 1e-5)
        }
      } finally {
        await engine.close()
      }
    })
})

test('training programs that cannot be made are refused', async () => {
  const bare = join(root, 'refused.onnx')
  writeFileSync(bare, writeModel(tinyModel(1, CLASSES)))
  const out = join(mkdtempSync(join(tmpdir(), 'graft-refused-')), 'out')
  const refused = async (message: RegExp, ...flags: string[]) => {
    const { code, stderr } = await graft(['export', bare, '--training', ...flags])
    assert.notEqual(code, 0)
    assert.match(stderr, message)
  }
  await refused(/needs a folder/)
  await refused(/no float output "logit"[\s\S]*logits/, '--out', out, '--output', 'logit')
  await refused(/names "head", which is no parameter/, '--out', out, '--freeze', 'head')
  await refused(/Every parameter is frozen/, '--out', out, '--freeze', '*')
  assert.equal(existsSync(out), false)
})
