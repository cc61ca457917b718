import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { env, pipeline, RawImage } from '@huggingface/transformers'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { GraftError, UsageError } from '#graft/base/errors.js'
import { attachHead } from '#graft/models/attach.js'
import { type Backbone, resolveBackbone } from '#graft/models/backbone.js'
import { configOf } from '#graft/models/folderConfig.js'
import {
  checkModelFolder,
  isModelFolder,
  loadModelFolder,
  type ModelFolderContents,
  recoverModelFolder,
  saveModelFolder,
} from '#graft/models/modelFolder.js'
import { bundledBackbones } from '#graft/models/place.js'
import { weights } from '../onnx/build.js'

const BUNDLED = 'backbones/efficientnet-lite0'
const LABELS = ['ant', 'bee\'s "nest" 🐝', '../cat', '__proto__']
let root = ''
let backbone: Backbone

before(async () => {
  // Inside the project: transformers.js takes relative paths as local.
  root = await mkdtemp(join(process.cwd(), 'build', 'folder-test-'))
  backbone = await resolveBackbone('efficientnet-lite0')
})
after(() => rm(root, { recursive: true, force: true }))

function contents(changes: Partial<ModelFolderContents> = {}): ModelFolderContents {
  return {
    model: attachHead(backbone.model, backbone.head, {
      classes: LABELS.length,
      weight: weights([LABELS.length, 1280], 3),
      bias: weights([LABELS.length]),
    }),
    labels: LABELS,
    config: backbone.config,
    preprocessor: backbone.preprocessor,
    readme: '# A model\n',
    licence: backbone.licence,
    record: {
      task: 'image-classification',
      backbone: {
        name: backbone.name,
        sha256: backbone.bytesSha256,
        architecture: backbone.architecture,
        features: backbone.head.features,
      },
      technique: 'feature-extraction',
      data: { fingerprint: 'f' },
      split: { train: 3, validation: 1 },
      seed: 1,
      threads: 2,
      metrics: { accuracy: 0.5 },
      temperature: 1.5,
      versions: { graft: '0.1.0' },
    },
    ...changes,
  }
}

const rejects = (promise: Promise<unknown>, pattern: RegExp, type: typeof GraftError = GraftError) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof type, String(error))
    assert.match(error.message, pattern)
    return true
  })

test('the bundled backbone', async () => {
  assert.deepEqual(await bundledBackbones(), ['all-minilm-l6-v2', 'efficientnet-lite0'])
  assert.deepEqual(await bundledBackbones('image'), ['efficientnet-lite0'])
  assert.deepEqual(await bundledBackbones('text'), ['all-minilm-l6-v2'])
  assert.deepEqual(
    [backbone.name, backbone.architecture, backbone.licence?.name],
    ['efficientnet-lite0', 'EfficientNetForImageClassification', 'apache-2.0'],
  )
  assert.deepEqual([backbone.labels?.length, backbone.labels?.[0], backbone.head.width], [1000, 'tench', 1280])
  assert.deepEqual(
    [backbone.inputName, backbone.inputShape, backbone.size],
    ['pixel_values', ['batch', 3, 224, 224], { height: 224, width: 224 }],
  )
  assert.deepEqual(backbone.notes, [])
})

test('a backbone that reads texts is not taken for one that reads photos', async () => {
  await rejects(resolveBackbone('all-minilm-l6-v2'), /reads texts: it has a tokenizer.json/)
})

test('unknown names list what exists', async () => {
  const remedy = async (spec: string) => {
    try {
      await resolveBackbone(spec)
    } catch (error) {
      assert.ok(error instanceof UsageError)
      assert.match(error.message, /bundled are only: all-minilm-l6-v2, efficientnet-lite0/)
      return error.remedy ?? ''
    }
    throw new Error('resolved')
  }
  assert.match(await remedy('efficientnet-lite'), /did you mean efficientnet-lite0/)
  assert.match(await remedy('./no/such/folder'), /a model on the Hub \(org\/name\)/)
})

test('a bare file needs its preprocessing told, beside it or by flags', async () => {
  const folder = join(root, 'bare')
  await mkdir(folder)
  const path = join(folder, 'net.onnx')
  await copyFile(`${BUNDLED}/onnx/model.onnx`, path)
  await rejects(resolveBackbone(path), /--mean, --std and no preprocessor_config\.json beside it/, UsageError)
  const flagged = await resolveBackbone(path, { mean: [0.5], std: [0.5, 0.4, 0.3] })
  assert.deepEqual(
    [flagged.name, flagged.preprocessor.image_mean, flagged.preprocessor.image_std, flagged.size],
    ['net', [0.5, 0.5, 0.5], [0.5, 0.4, 0.3], { height: 224, width: 224 }],
  )
  await rejects(
    resolveBackbone(path, { mean: [0.5], std: [0.5], size: 256 }),
    /takes images of 224 x 224 pixels, but the preprocessing makes 256 x 256/,
  )
  await writeFile(join(folder, 'preprocessor_config.json'), JSON.stringify({ ...backbone.preprocessor, resample: 3 }))
  const beside = await resolveBackbone(path)
  assert.equal(beside.preprocessor.resample, 1)
  assert.match(beside.notes.join(), /Lanczos/)
  await writeFile(join(folder, 'preprocessor_config.json'), '{ "size": ')
  await rejects(resolveBackbone(path), /preprocessor_config\.json is not valid JSON/)
  await rejects(resolveBackbone('package.json'), /is not an \.onnx file/, UsageError)
})

test('folders of Hugging Face layout, with the model at either place or neither', async () => {
  const folder = join(root, 'local')
  await mkdir(folder)
  for (const file of ['config.json', 'preprocessor_config.json', 'LICENSE'])
    await copyFile(`${BUNDLED}/${file}`, join(folder, file))
  await rejects(resolveBackbone(folder), /has neither onnx\/model\.onnx nor model\.onnx/)
  await writeFile(join(folder, 'pytorch_model.bin'), 'x')
  await rejects(resolveBackbone(folder), /only pytorch_model\.bin/)
  await copyFile(`${BUNDLED}/onnx/model.onnx`, join(folder, 'model.onnx'))
  const found = await resolveBackbone(folder)
  assert.deepEqual(
    [found.name, found.bytesSha256, found.licence?.name],
    ['local', backbone.bytesSha256, 'Apache License'],
  )
  await writeFile(join(folder, 'model.onnx'), 'hello')
  await rejects(resolveBackbone(folder), /model\.onnx is not a readable ONNX model of 5 bytes/)
})

test('a saved folder loads in transformers.js with the same labels and scores', async () => {
  const folder = join(root, 'saved')
  await saveModelFolder(folder, contents())
  assert.deepEqual((await readdir(folder)).sort(), [
    'LICENSE',
    'NOTICE',
    'README.md',
    'config.json',
    'graft.json',
    'onnx',
    'preprocessor_config.json',
  ])
  const loaded = await loadModelFolder(folder)
  assert.deepEqual(loaded.labels, LABELS)
  assert.deepEqual(
    [loaded.record.temperature, loaded.record.metrics.accuracy, loaded.preprocessor],
    [1.5, 0.5, backbone.preprocessor],
  )
  assert.match(await readFile(join(folder, 'NOTICE'), 'utf8'), /trained from those of efficientnet-lite0/)

  env.allowRemoteModels = false
  const classify = await pipeline('image-classification', `./${relative(process.cwd(), folder)}`)
  const image = new RawImage(
    Uint8ClampedArray.from({ length: 300 * 260 * 3 }, (_, i) => 127 + 120 * Math.sin(i * 0.013)),
    300,
    260,
    3,
  )
  const answers = (await classify(image, { top_k: 4 })) as { label: string; score: number }[]
  const { pixel_values } = (await classify.processor(image)) as { pixel_values: { data: Float32Array; dims: number[] } }
  const session = await InferenceSession.create(await readFile(join(folder, 'onnx/model.onnx')))
  const { logits } = await session.run({ pixel_values: new Tensor('float32', pixel_values.data, pixel_values.dims) })
  const exponentials = Array.from(logits?.data as Float32Array, Math.exp)
  const sum = exponentials.reduce((a, b) => a + b, 0)
  assert.equal(answers.length, 4)
  for (const { label, score } of answers)
    assert.ok(Math.abs(score - (exponentials[LABELS.indexOf(label)] ?? 0) / sum) < 1e-5, label)
  await session.release()
  await classify.dispose()

  const further = await resolveBackbone(folder)
  assert.deepEqual(
    [further.head.classes, further.head.width, further.architecture, further.labels],
    [4, 1280, backbone.architecture, LABELS],
  )
  assert.equal(further.record?.technique, 'feature-extraction')
})

test('a type that transformers.js does not know is replaced by one that it does, and loads', async () => {
  const config = { model_type: 'ghostnet', architectures: ['GhostNet'], id2label: { 0: 'old' } }
  assert.equal(configOf(['a'], config).model_type, 'resnet')
  assert.equal(configOf(['a'], backbone.config).model_type, 'efficientnet')
  assert.deepEqual(configOf(['a', 'b'], config).id2label, { 0: 'a', 1: 'b' })
  const folder = join(root, 'generic')
  await saveModelFolder(folder, contents({ config }))
  const classify = await pipeline('image-classification', `./${relative(process.cwd(), folder)}`)
  const image = new RawImage(new Uint8ClampedArray(64 * 64 * 3).fill(99), 64, 64, 3)
  assert.equal(((await classify(image, { top_k: 4 })) as unknown[]).length, 4)
  await classify.dispose()
})

test("saving again replaces the model, keeps the user's files and what the user edited", async () => {
  const folder = join(root, 'again')
  await saveModelFolder(folder, contents({ extra: { 'report.html': '<p>1', 'old.txt': 'old' } }))
  await writeFile(join(folder, 'notes.txt'), 'mine')
  await writeFile(join(folder, 'README.md'), '# Edited\n')
  await saveModelFolder(folder, contents({ readme: '# New\n', extra: { 'report.html': '<p>2' } }))
  const text = (name: string) => readFile(join(folder, name), 'utf8')
  assert.deepEqual(
    [await text('notes.txt'), await text('README.md'), await text('README.md.bak'), await text('report.html')],
    ['mine', '# New\n', '# Edited\n', '<p>2'],
  )
  assert.deepEqual(
    (await readdir(folder)).filter((n) => n.startsWith('.') || n === 'old.txt'),
    [],
  )
  await loadModelFolder(folder)
})

test("a folder of the user's own is not overwritten", async () => {
  const folder = join(root, 'project')
  await mkdir(folder)
  await writeFile(join(folder, 'README.md'), 'my project')
  await rejects(saveModelFolder(folder, contents()), /would overwrite README\.md/, UsageError)
  await rejects(checkModelFolder(join(folder, 'README.md')), /is a file/, UsageError)
  assert.deepEqual(await readdir(folder), ['README.md'])
  const empty = join(root, 'empty')
  await mkdir(empty)
  await writeFile(join(empty, 'run.json'), '{}')
  await checkModelFolder(empty)
  await saveModelFolder(empty, contents())
  assert.ok((await isModelFolder(empty)) && (await readdir(empty)).includes('run.json'))
})

test('a save that was killed at any point is undone or completed', async () => {
  const folder = join(root, 'killed')
  await saveModelFolder(folder, contents())
  // Before the commit file: the staging folder does not count.
  await mkdir(join(folder, '.graft-new'))
  await writeFile(join(folder, '.graft-new', 'README.md'), '# Half')
  assert.equal((await loadModelFolder(folder)).record.seed, 1)
  assert.equal(await readFile(join(folder, 'README.md'), 'utf8'), '# A model\n')
  await rm(join(folder, '.graft-new'), { recursive: true })
  // After it: the new files are moved into place, wherever the first attempt stopped.
  const next = join(root, 'next')
  const record = { ...contents().record, seed: 2 }
  await saveModelFolder(next, contents({ readme: '# Second\n', record }))
  await rename(next, join(folder, '.graft-new'))
  const files = [
    'onnx/model.onnx',
    'config.json',
    'preprocessor_config.json',
    'README.md',
    'LICENSE',
    'NOTICE',
    'graft.json',
  ]
  await writeFile(join(folder, '.graft-commit.json'), JSON.stringify({ files, backups: {}, obsolete: [] }))
  await rename(join(folder, '.graft-new/config.json'), join(folder, 'config.json'))
  assert.equal((await loadModelFolder(folder)).record.seed, 2)
  assert.equal(await readFile(join(folder, 'README.md'), 'utf8'), '# Second\n')
  assert.deepEqual(
    (await readdir(folder)).filter((n) => n.startsWith('.')),
    [],
  )
  await recoverModelFolder(folder)
  // A commit file that someone else wrote does not reach outside the folder.
  for (const plan of [{ obsolete: ['../next'] }, { files: ['/etc/x'] }, { backups: { a: '../b' } }]) {
    await writeFile(join(folder, '.graft-commit.json'), JSON.stringify(plan))
    await rejects(recoverModelFolder(folder), /lies outside the folder/)
  }
})

test('damaged folders are refused with the file and the problem', async () => {
  const folder = join(root, 'damaged')
  await saveModelFolder(folder, contents())
  const damage = async (name: string, content: string | undefined, pattern: RegExp) => {
    const path = join(folder, name)
    const original = await readFile(path)
    if (content === undefined) await rm(path)
    else await writeFile(path, content)
    await rejects(loadModelFolder(folder), pattern)
    await writeFile(path, original)
  }
  await damage('graft.json', undefined, /has no graft\.json/)
  await damage('graft.json', '', /graft\.json is not valid JSON/)
  await damage('graft.json', '{"format": 99}', /has format 99; this version of Graft reads up to 1/)
  await damage('graft.json', '{"format": 1}', /graft\.json is damaged: .*technique/)
  await damage('config.json', '[]', /config\.json holds a list/)
  await damage('config.json', '{"id2label": {"0": "a"}}', /names 1 labels; the network has 4 classes/)
  await damage('preprocessor_config.json', undefined, /has no preprocessor_config\.json/)
  await damage('onnx/model.onnx', undefined, /has no onnx\/model\.onnx/)
  await damage('onnx/model.onnx', '', /the file is empty/)
  const other = await readFile(`${BUNDLED}/onnx/model.onnx`)
  const path = join(folder, 'onnx/model.onnx')
  const original = await readFile(path)
  await writeFile(path, other)
  await rejects(loadModelFolder(folder), /is not the file that graft\.json describes/)
  await writeFile(path, original)
  await loadModelFolder(folder)
  await rejects(loadModelFolder(join(tmpdir(), 'graft-no-such-folder')), /no such folder/)
  await rejects(
    saveModelFolder(join(root, 'twice'), contents({ labels: ['a', 'b', 'a', 'c'] })),
    /Two classes have the label "a"/,
  )
})
