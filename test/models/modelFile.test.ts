/** Models whose tensors lie in files beside them: opened by path, read in places, never outside their folder. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { GraftError } from '#graft/base/errors.js'
import { attr, type Model } from '#graft/graph/graph.js'
import { byteSize, lazyTensor, type Tensor } from '#graft/graph/tensor.js'
import { resolveBackbone } from '#graft/models/backbone.js'
import { openModel } from '#graft/models/modelFile.js'
import { loadModelFolder, saveModelFolder } from '#graft/models/modelFolder.js'
import { decode, defaultBudget, encode } from '#graft/onnx/codec.js'
import { needsDataFile, writeModel, writeModelInTwoFiles } from '#graft/onnx/writer.js'
import { putOnDisk } from '#graft/runtime/modelOnDisk.js'
import { inspectFile } from '#graft/tasks/inspect.js'
import { model, node, value, weights } from '../onnx/build.js'
import { tinyModel, writeTinyBackbone } from '../support/tinyBackbone.js'

const root = mkdtempSync(join(tmpdir(), 'graft-beside-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** y = x A B, A 64 x 64, B 64 x 3. */
const small = (): Model =>
  model({
    inputs: [value('x', [2, 64])],
    outputs: [value('y', [2, 3])],
    initializers: new Map([
      ['A', weights([64, 64])],
      ['B', weights([64, 3], 2)],
    ]),
    nodes: [node('MatMul', ['x', 'A'], ['h']), node('MatMul', ['h', 'B'], ['y'])],
  })

/** Writes a model in two files to a folder of its own; returns the path of the model file. */
function written(from: Model, folder: string, location = 'weights.bin'): string {
  const files = writeModelInTwoFiles(from, location)
  mkdirSync(join(root, folder), { recursive: true })
  const path = join(root, folder, 'model.onnx')
  writeFileSync(path, files.model)
  writeFileSync(join(root, folder, 'weights.bin'), Buffer.concat([...files.data()]))
  return path
}

const refused = (promise: Promise<unknown>, pattern: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof GraftError, String(error))
    assert.match(error.message, pattern)
    return true
  })

test('a model in two files is the model in one, for Graft and for onnxruntime', async () => {
  const path = written(small(), 'two')
  const opened = await openModel(path)
  assert.deepEqual(opened.model, small())
  const feeds = {
    x: new OrtTensor(
      'float32',
      Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)),
      [2, 64],
    ),
  }
  const run = async (source: string | Uint8Array) => {
    const session = await (typeof source === 'string'
      ? InferenceSession.create(source)
      : InferenceSession.create(source))
    return (await session.run(feeds)).y?.data
  }
  const expected = await run(writeModel(small()))
  assert.deepEqual(await run(path), expected)
  // A model opened from two files goes into one where it fits.
  assert.deepEqual(await run(writeModel(opened.model)), expected)
  const onDisk = await putOnDisk(opened.model)
  assert.deepEqual(await run(onDisk.path), expected)
  await onDisk.remove()
})

test('every tensor outside begins on a page, small ones stay inside', () => {
  const tensors = decode('ModelProto', writeModelInTwoFiles(small(), 'w').model, defaultBudget()).graph?.initializer
  const places = tensors?.map((t) => new Map(t.externalData?.map((e) => [e.key, e.value])))
  assert.deepEqual(
    places?.map((p) => p.get('offset')),
    ['0', undefined],
  )
  assert.equal(tensors?.[1]?.rawData?.length, 768)
})

test('the hash covers the files beside the model', async () => {
  const path = written(small(), 'hash')
  const before = await (await openModel(path)).sha256()
  const data = join(root, 'hash', 'weights.bin')
  const other = small()
  other.graph.initializers.set('A', weights([64, 64], 5))
  written(other, 'hash')
  utimesSync(data, 1, 1)
  assert.notEqual(await (await openModel(path)).sha256(), before)
})

test('files outside the folder are not read, by whichever way', { skip: process.platform === 'win32' }, async () => {
  const path = written(small(), 'links/inside')
  const data = join(root, 'links', 'inside', 'weights.bin')
  const secret = join(root, 'links', 'secret')
  writeFileSync(secret, new Uint8Array(20000))
  const link = (to: string) => {
    rmSync(data)
    symlinkSync(to, data)
  }
  link('../secret')
  await refused(openModel(path), /leads out of its folder, to .*secret/)
  link('/dev/zero')
  await refused(openModel(path), /leads out of its folder/)
  link('nowhere')
  await refused(openModel(path), /weights\.bin.* cannot be read/)
  // A folder that is a link is no way out either.
  const proto = decode('ModelProto', writeModelInTwoFiles(small(), 'sub/secret').model, defaultBudget())
  writeFileSync(path, encode('ModelProto', proto))
  symlinkSync('..', join(root, 'links', 'inside', 'sub'))
  await refused(openModel(path), /leads out of its folder/)
  rmSync(data)
  await refused(openModel(written(small(), 'links/missing', 'other.bin')), /other\.bin, which .* does not exist/)
  const pipe = join(root, 'links', 'pipe')
  mkdirSync(pipe)
  written(small(), 'links/pipe')
  rmSync(join(pipe, 'weights.bin'))
  execFileSync('mkfifo', [join(pipe, 'weights.bin')])
  await refused(openModel(join(pipe, 'model.onnx')), /is no plain file/)
})

test('model stores that link to their files are read', { skip: process.platform === 'win32' }, async () => {
  written(small(), 'store/blobs')
  mkdirSync(join(root, 'store', 'snapshot'))
  for (const name of ['model.onnx', 'weights.bin'])
    symlinkSync(join('..', 'blobs', name), join(root, 'store', 'snapshot', name))
  assert.deepEqual((await openModel(join(root, 'store', 'snapshot', 'model.onnx'))).model, small())
})

test('a file that is too short or changes while it is in use is refused', async () => {
  const path = written(small(), 'short')
  const data = join(root, 'short', 'weights.bin')
  const opened = await openModel(path)
  utimesSync(data, 1, 1)
  assert.throws(() => opened.model.graph.initializers.get('A')?.data, /was changed while it was in use/)
  truncateSync(data, 16000)
  await refused(openModel(path), /"A": its data is said to lie at 0 to 16384 in "weights.bin", which has 16000 bytes/)
})

test('more than 2 GB: opened, inspected and read in places', async () => {
  const folder = writeTinyBackbone(join(root, 'large'))
  const path = join(folder, 'onnx', 'model.onnx')
  const large = tinyModel()
  // Features of the network times 600 million numbers; the file is empty but for the first.
  const rows = 37_500_000
  const zeros = (dims: number[]): Tensor =>
    lazyTensor('float32', dims, () => assert.fail('a tensor of 2.4 GB was read whole'))
  large.graph.initializers.set('wide.weight', zeros([rows, 16]))
  large.graph.nodes.push(
    node('Gemm', ['features', 'wide.weight'], ['wide'], { transB: attr.int(1) }),
    node('ReduceMax', ['wide'], ['logits2'], { keepdims: attr.int(0), axes: attr.ints([1]) }),
  )
  large.graph.outputs.push({ name: 'logits2', type: 'float32', shape: ['batch'] })
  assert.ok(needsDataFile(large))
  assert.throws(() => writeModel(large), /takes 2\.4 GB; one ONNX file holds at most 2\.1 GB/)
  const files = writeModelInTwoFiles(large, 'model.onnx_data')
  assert.ok(files.dataSize > 2 ** 31)
  assert.ok(files.model.length < 20_000)
  writeFileSync(path, files.model)
  const data = join(folder, 'onnx', 'model.onnx_data')
  // The first tensors are written, the rest of the file is a hole.
  const first = [...large.graph.initializers.values()].filter((t) => byteSize(t) >= 1024)[0] as Tensor
  writeFileSync(data, new Uint8Array(first.data.buffer, first.data.byteOffset, first.data.byteLength))
  truncateSync(data, files.dataSize)

  const before = process.memoryUsage.rss()
  const found = await inspectFile(folder)
  assert.equal(found.parameters.bytes > 2 ** 31, true)
  assert.equal(found.fileBytes, files.model.length + files.dataSize)
  const opened = await openModel(path)
  const name = [...large.graph.initializers].find(([, t]) => t === first)?.[0] ?? ''
  assert.deepEqual(opened.model.graph.initializers.get(name)?.data, first.data)
  assert.ok(process.memoryUsage.rss() - before < 500e6, 'reading in places takes little memory')
})

test('a backbone in two files is found, its folder saved as one file below 2 GB', async () => {
  const folder = writeTinyBackbone(join(root, 'backbone'))
  const files = writeModelInTwoFiles(tinyModel(), 'model.onnx_data')
  const path = join(folder, 'onnx', 'model.onnx')
  writeFileSync(path, files.model)
  writeFileSync(join(folder, 'onnx', 'model.onnx_data'), Buffer.concat([...files.data()]))
  const backbone = await resolveBackbone(folder)
  assert.equal(backbone.bytes, files.model.length + files.dataSize)
  const target = join(root, 'saved')
  await saveModelFolder(target, {
    model: backbone.model,
    labels: ['a', 'b', 'c', 'd', 'e'],
    preprocessor: backbone.preprocessor,
    readme: '',
    record: {
      task: 'image-classification',
      backbone: { name: 'b', sha256: backbone.bytesSha256, architecture: 'tiny', features: 'features' },
      technique: 'feature-extraction',
      data: { fingerprint: 'f' },
      split: {},
      seed: 1,
      threads: 1,
      metrics: {},
      temperature: 1,
      versions: {},
    },
  })
  const saved = await loadModelFolder(target)
  assert.deepEqual(
    Object.keys(saved.record.files).filter((name) => name.startsWith('onnx/')),
    ['onnx/model.onnx'],
  )
  assert.deepEqual(saved.model.graph.initializers, tinyModel().graph.initializers)
})
