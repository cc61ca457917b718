/** Adapter files to and from Python's PEFT itself, where there is a Python with it: the same logits on both sides. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Random } from '#graft/base/random.js'
import { decodeSafetensors } from '#graft/base/safetensors.js'
import {
  type AdapterMethod,
  applyAdapter,
  dora,
  ia3,
  lora,
  readPeft,
  rsLora,
  writePeft,
} from '#graft/models/adapters/index.js'
import { withTrained } from '#graft/models/edit.js'
import { readModel } from '#graft/onnx/reader.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { pythonWith } from '../../support/python.js'
import { distance, type Feeds, outputsOf, trainOn } from './training.js'

const python = pythonWith('torch', 'transformers', 'peft', 'onnx', 'safetensors.torch')
const skip = python === undefined ? 'no Python with torch, transformers, onnx and peft was found' : false
const SCRIPT = resolve('test/models/adapters/python_peer.py')

describe("PEFT's adapter files", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'graft-peft-'))
  let engine: Engine

  const run = (...argumentList: string[]) => {
    const { status, stderr } = spawnSync(python ?? '', [SCRIPT, ...argumentList], {
      encoding: 'utf8',
      env: { ...process.env, HF_HUB_OFFLINE: '1', OMP_NUM_THREADS: '1' },
    })
    assert.equal(status, 0, stderr)
  }
  const tensorsIn = (path: string): Feeds => decodeSafetensors(readFileSync(join(folder, path))).tensors
  const modelOf = (name: string) => readModel(readFileSync(join(folder, name, 'model.onnx')))
  const configOf = (path: string) =>
    JSON.parse(readFileSync(join(folder, path, 'adapter_config.json'), 'utf8')) as Record<string, unknown>

  before(async () => {
    for (const name of ['bert', 'cnn']) mkdirSync(join(folder, name))
    run('make', folder)
    engine = await openEngine({ threads: 1 })
  })
  after(async () => {
    await engine.close()
    rmSync(folder, { recursive: true })
  })

  for (const path of ['bert/lora', 'bert/rslora', 'bert/dora', 'bert/ia3', 'cnn/lora', 'cnn/dora', 'cnn/ia3'])
    it(`reads ${path} and gives what PEFT gives`, async () => {
      const [name = ''] = path.split('/')
      const model = modelOf(name)
      const weights = readFileSync(join(folder, path, 'adapter_model.safetensors'))
      const adapter = readPeft(model, configOf(path), weights)
      const whole = Object.entries(adapter.modulesToSave).flatMap(([module, parts]) =>
        Object.entries(parts).map(([part, tensor]) => [`${module}.${part}`, tensor] as const),
      )
      assert.deepEqual(
        whole.map(([one]) => one).sort(),
        path === 'bert/lora' ? ['classifier.bias', 'classifier.weight'] : [],
      )
      const trained = new Map([...adapter.weights, ...whole])
      const feeds = tensorsIn(`${name}/inputs.safetensors`)
      const expected = { logits: tensorsIn(`${path}/outputs.safetensors`).logits?.data as Float32Array }
      const base = await outputsOf(engine, model, feeds)
      assert.ok(distance(expected, base) > 1e-2, 'the adapter changes something')
      const inside = await outputsOf(engine, withTrained(adapter.applied.model, trained), feeds)
      assert.ok(distance(expected, inside) < 1e-4, `inside: ${distance(expected, inside)}`)
      const merged = await outputsOf(engine, adapter.applied.merge(trained), feeds)
      assert.ok(distance(expected, merged) < 1e-4, `merged: ${distance(expected, merged)}`)
      // What was read is written the same.
      const again = writePeft(adapter.applied, adapter.weights)
      const before = decodeSafetensors(weights).tensors
      for (const [key, tensor] of Object.entries(decodeSafetensors(again.weights).tensors))
        assert.deepEqual(tensor, before[key], key)
    })

  it('writes what PEFT reads, trained here', async () => {
    const methods: Readonly<Record<string, AdapterMethod>> = {
      'bert/graft-lora': lora({ rank: 4 }),
      'bert/graft-rslora': rsLora({ rank: 3, targets: ['query', 'intermediate.dense'] }),
      'bert/graft-dora': dora({ rank: 4, alpha: 4 }),
      'bert/graft-ia3': ia3(),
      'cnn/graft-lora': lora({ rank: 2 }),
      'cnn/graft-dora': dora({ rank: 2 }),
      'cnn/graft-ia3': ia3(),
    }
    const expected: Record<string, Record<string, Float32Array>> = {}
    for (const [path, method] of Object.entries(methods)) {
      const [name = ''] = path.split('/')
      const head = name === 'bert' ? 'classifier' : 'fc'
      const model = modelOf(name)
      const feeds = tensorsIn(`${name}/inputs.safetensors`)
      const applied = applyAdapter(model, method, new Random(1))
      const names = [...applied.trainable.flat(), `${head}.weight`, `${head}.bias`]
      const { weights, losses } = await trainOn(engine, applied.model, names, feeds, { steps: 15 })
      assert.ok(losses.at(-1)! < losses[0]!)
      const part = (one: string) => weights.get(`${head}.${one}`)!
      const modulesToSave = { [head]: { weight: part('weight'), bias: part('bias') } }
      const files = writePeft(applied, weights, { modulesToSave })
      mkdirSync(join(folder, path))
      writeFileSync(join(folder, path, 'adapter_config.json'), JSON.stringify(files.config))
      writeFileSync(join(folder, path, 'adapter_model.safetensors'), files.weights)
      expected[path] = await outputsOf(engine, applied.merge(weights), feeds)
    }
    run('apply', folder, ...Object.keys(methods))
    for (const [path, outputs] of Object.entries(expected)) {
      const found = { logits: tensorsIn(`${path}/outputs.safetensors`).logits?.data as Float32Array }
      assert.ok(distance(outputs, found) < 1e-4, `${path}: ${distance(outputs, found)}`)
    }
  })
})
