/** Bad input at the command line: each gives a message that names the thing and the remedy, and the right exit code. */
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { float32 } from '#graft/graph/tensor.js'
import { writeModel } from '#graft/onnx/writer.js'
import { graft, objects, smallPhotos } from '../support/graft.js'
import { tinyModel, writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let backbone: string
let cache: string
let model: string
let photos: string

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graft-bad-'))
  cache = join(folder, 'cache')
  backbone = writeTinyBackbone(join(folder, 'backbone'))
  photos = smallPhotos(join(folder, 'photos'))
  model = join(folder, 'model')
  const made = await graft(['train', photos, '--backbone', backbone, '--out', model, '--no-report'], { cache })
  assert.equal(made.code, 0, made.stderr)
})
after(() => rmSync(folder, { recursive: true, force: true }))

const train = (data: string, ...more: string[]) =>
  graft(['train', data, '--backbone', backbone, '--out', join(folder, 'out'), '--overwrite', '--no-report', ...more], {
    cache,
  })
const someJpeg = () => join(photos, 'train', 'hat', readdirSync(join(photos, 'train', 'hat'))[0]!)

test('wrong usage ends with 2, nothing on standard output and no stack', async () => {
  const found = await graft(['train', photos, '--tecnique', 'auto'])
  assert.equal(found.code, 2)
  assert.equal(found.stdout, '')
  assert.match(found.stderr, /There is no --tecnique for `graft train`\.\n {2}Did you mean --technique\?/)
  assert.doesNotMatch(found.stderr, /\n\s+at /)
})

test('a folder that is missing, empty, or has one class only', async () => {
  const missing = await train(join(folder, 'nowhere'))
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /nowhere: no such file or folder\n {2}Check the path\./)
  mkdirSync(join(folder, 'empty'))
  assert.match(
    (await train(join(folder, 'empty'))).stderr,
    /empty: neither photos nor texts; it holds no files\n {2}Give a folder/,
  )
  mkdirSync(join(folder, 'one'))
  cpSync(join(photos, 'train', 'hat'), join(folder, 'one', 'hat'), { recursive: true })
  const one = await train(join(folder, 'one'))
  assert.equal(one.code, 1)
  assert.match(one.stderr, /one class only \(hat\), expected at least two classes/)
})

test('broken photos are skipped by name with the reason, or refused with --strict; strange names are fine', async () => {
  const data = join(folder, 'strange photos 🧢 "quoted" \'and\' ..dots')
  cpSync(join(photos, 'train'), data, { recursive: true })
  const hat = join(data, 'hat')
  writeFileSync(join(hat, 'empty.jpg'), '')
  writeFileSync(join(hat, 'text.jpg'), 'this is no photo at all, whatever its name says')
  cpSync(someJpeg(), join(hat, 'cut.jpg'))
  truncateSync(join(hat, 'cut.jpg'), 3000)
  writeFileSync(join(hat, 'notes.txt'), 'not a photo and not meant as one')
  const found = await train(data, '--json')
  assert.equal(found.code, 0, found.stderr)
  const skipped = objects(found).filter((o) => o.type === 'skipped')
  assert.deepEqual(skipped.map((o) => o.id).sort(), ['hat/cut.jpg', 'hat/empty.jpg', 'hat/text.jpg'])
  for (const { reason } of skipped) assert.ok(String(reason).length > 10)
  const strict = await train(data, '--strict')
  assert.equal(strict.code, 1)
  assert.match(strict.stderr, /empty\.jpg/)
})

test('a class with one photo trains, with a warning', async () => {
  const data = join(folder, 'single')
  cpSync(join(photos, 'train'), data, { recursive: true })
  for (const name of readdirSync(join(data, 'hat')).slice(1)) rmSync(join(data, 'hat', name))
  const found = await train(data)
  assert.equal(found.code, 0, found.stderr)
  assert.match(found.stdout, /warning: Only one photo of hat/)
})

test('a backbone with an operator that is not known, or of the wrong input, is refused by name', async () => {
  const strange = tinyModel()
  strange.graph.nodes.splice(3, 0, {
    name: 'odd',
    opType: 'Frobnicate',
    domain: 'org.example',
    inputs: ['relu0'],
    outputs: ['odd'],
    attributes: new Map(),
  })
  strange.graph.nodes[4] = { ...strange.graph.nodes[4]!, inputs: ['odd', ...strange.graph.nodes[4]!.inputs.slice(1)] }
  const path = join(folder, 'strange.onnx')
  writeFileSync(path, writeModel(strange))
  const flags = ['--mean', '0.5,0.5,0.5', '--std', '0.5,0.5,0.5', '--size', '32']
  const found = await graft(['train', photos, '--backbone', path, '--out', join(folder, 'no'), ...flags], { cache })
  assert.equal(found.code, 1)
  assert.match(found.stderr, /Frobnicate/)
  assert.ok(!existsSync(join(folder, 'no')), 'a run that never got under way leaves nothing')
  const wrongSize = await graft(
    ['train', photos, '--backbone', join(backbone, 'onnx', 'model.onnx'), '--out', join(folder, 'no'), '--size', '64'],
    { cache },
  )
  assert.notEqual(wrongSize.code, 0)
  assert.match(wrongSize.stderr, /32 x 32[\s\S]*64/)
  const bare = await graft(['train', photos, '--backbone', path, '--out', join(folder, 'no')], { cache })
  assert.equal(bare.code, 2)
  assert.match(bare.stderr, /--mean and|--mean, --std/)
  const unknown = await train(photos, '--backbone', 'efficientnet-lite9')
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /no backbone "efficientnet-lite9"/)
})

test('a training that blows up says to lower the rate and leaves the model that was there', async () => {
  const out = join(folder, 'kept')
  cpSync(model, out, { recursive: true })
  const broken = join(folder, 'exploding')
  writeTinyBackbone(broken)
  const huge = tinyModel()
  huge.graph.initializers.set('conv0.weight', float32([8, 3, 3, 3], new Float32Array(216).fill(3e37)))
  writeFileSync(join(broken, 'onnx', 'model.onnx'), writeModel(huge))
  const before = readFileSync(join(out, 'onnx', 'model.onnx'))
  const found = await graft(
    [
      'train',
      photos,
      '--backbone',
      broken,
      '--out',
      out,
      '--overwrite',
      '--technique',
      'fine-tuning',
      '--schedule',
      'full',
      '--batch',
      '1',
    ],
    { cache },
  )
  assert.equal(found.code, 1)
  assert.match(found.stderr, /not a finite number|contain (NaN|Infinity)|-?Infinity/)
  assert.deepEqual(readFileSync(join(out, 'onnx', 'model.onnx')), before)
})

test('predict: files, folders, patterns and standard input; photos that cannot be read are told', async () => {
  const test3 = join(photos, 'test', 'hat')
  const folderOf = await graft(['predict', model, test3, '--json', '--top', '2'])
  assert.equal(folderOf.code, 0, folderOf.stderr)
  const lines = objects(folderOf)
  assert.equal(lines.length, 4)
  const best = lines[0]!.top as { label: string }[]
  assert.equal(best.length, 2)
  assert.equal(best[0]?.label, lines[0]!.label)
  const names = readdirSync(test3)
    .sort()
    .map((name) => join(test3, name))
  const listed = await graft(['predict', model, '-', '--json', '--top', '2'], { input: `${names.join('\n')}\n` })
  assert.deepEqual(objects(listed), lines)
  const bytes = await graft(['predict', model, '-', '--json', '--top', '2'], { input: readFileSync(names[0]!) })
  assert.deepEqual({ ...objects(bytes)[0], file: names[0] }, lines[0])
  const pattern = await graft(['predict', model, join(test3, '*.jpg'), '--json', '--top', '2'])
  assert.deepEqual(objects(pattern), lines)
  const plain = await graft(['predict', model, names[0]!])
  assert.match(plain.stdout, /\.jpg: \S+ \d+\.\d%\n$/)
  const bad = join(folder, 'bad.jpg')
  writeFileSync(bad, 'no photo')
  const mixed = await graft(['predict', model, bad, names[0]!, '--json'])
  assert.equal(mixed.code, 0)
  assert.deepEqual(
    objects(mixed).map((o) => Object.hasOwn(o, 'error')),
    [true, false],
  )
  assert.match(mixed.stderr, /skipped .*bad\.jpg/)
  assert.equal((await graft(['predict', model, bad, names[0]!, '--strict'])).code, 1)
  assert.equal((await graft(['predict', model, bad])).code, 1)
})

test('evaluate prints one object; a split or a class that is not there is refused', async () => {
  const found = await graft(['evaluate', model, photos, '--json'])
  assert.equal(found.code, 0, found.stderr)
  const [figures, ...rest] = objects(found)
  assert.equal(rest.length, 0)
  assert.equal(figures?.n, 12)
  for (const key of ['accuracy', 'accuracyInterval', 'macroF1', 'macroF1Interval', 'perClass', 'confusion', 'split'])
    assert.ok(key in figures!, key)
  const none = await graft(['evaluate', model, photos, '--split', 'validation'])
  assert.equal(none.code, 2)
  assert.match(none.stderr, /has no validation photos; it has: t/)
  const other = join(folder, 'other')
  cpSync(join(photos, 'test', 'hat'), join(other, 'bicycle'), { recursive: true })
  cpSync(join(photos, 'test', 'dress'), join(other, 'dress'), { recursive: true })
  assert.match(
    (await graft(['evaluate', model, other])).stderr,
    /the classes bicycle are not among dress, hat, longsleeve/,
  )
})

test('a model folder that is missing or damaged is named', async () => {
  const missing = await graft(['predict', join(folder, 'none'), someJpeg()])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /none: no such folder/)
  const damaged = join(folder, 'damaged')
  cpSync(model, damaged, { recursive: true })
  truncateSync(join(damaged, 'onnx', 'model.onnx'), 1000)
  assert.equal((await graft(['predict', damaged, someJpeg()])).code, 1)
  assert.match((await graft(['resume', model])).stderr, /no unfinished run here[\s\S]*complete/)
})

test('inspect and rank answer as people and as programs want it', async () => {
  const inspected = await graft(['inspect', backbone])
  assert.match(inspected.stdout, /Head: .*head\.weight|Everything can train/)
  const [object] = objects(await graft(['inspect', backbone, '--json']))
  assert.equal((object!.head as { features: string }).features, 'features')
  const ranked = await graft(['rank', photos, '--backbones', `${backbone},${join(folder, 'nothing.onnx')}`], { cache })
  assert.equal(ranked.code, 0, ranked.stderr)
  assert.match(ranked.stdout, /backbone {2}.*probe.*k-NN.*LogME.*H-score.*LEEP/)
  assert.match(ranked.stderr, /not compared: .*nothing\.onnx/)
  const shown = objects(await graft(['cache', '--json'], { cache }))
  assert.ok(Number(shown[0]?.records) > 0)
  await graft(['cache', 'clear'], { cache })
  assert.equal(objects(await graft(['cache', '--json'], { cache }))[0]?.records, 0)
})
