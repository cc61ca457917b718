/** PEFT's files: names, shapes and refusals; PEFT itself reads and writes them in peftPython.test.ts. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GraftError } from '#graft/base/errors.js'
import { Random } from '#graft/base/random.js'
import { decodeSafetensors, encodeSafetensors } from '#graft/base/safetensors.js'
import { float32 } from '#graft/graph/tensor.js'
import {
  type AdapterMethod,
  adapterMethod,
  applyAdapter,
  dora,
  houlsby,
  ia3,
  lora,
  type PeftOptions,
  readPeft,
  rsLora,
  writePeft,
} from '#graft/models/adapters/index.js'
import { residualNetwork, transformer } from './networks.js'
import { moved } from './training.js'

const written = (model: ReturnType<typeof transformer>, method: AdapterMethod, options: PeftOptions = {}) => {
  const applied = applyAdapter(model, method, new Random(1))
  const weights = moved(applied)
  const files = writePeft(applied, weights, options)
  return { applied, weights, files, tensors: decodeSafetensors(files.weights).tensors }
}
const shapes = (tensors: ReturnType<typeof written>['tensors']) =>
  Object.fromEntries(Object.entries(tensors).map(([name, { dims }]) => [name, dims.join()]))

describe("PEFT's files", () => {
  it('name and lay out LoRA', () => {
    const { files, tensors } = written(
      transformer(),
      lora({ rank: 4, targets: ['encoder.layer.1.intermediate', 'layer.0.attention.query'] }),
      {
        modulesToSave: { classifier: { weight: float32([3, 8], new Float32Array(24)), bias: float32([3], [1, 2, 3]) } },
        taskType: 'SEQ_CLS',
        baseModel: 'someone/some-model',
      },
    )
    assert.deepEqual(shapes(tensors), {
      'base_model.model.classifier.bias': '3',
      'base_model.model.classifier.weight': '3,8',
      'base_model.model.encoder.layer.0.attention.query.lora_A.weight': '4,8',
      'base_model.model.encoder.layer.0.attention.query.lora_B.weight': '8,4',
      'base_model.model.encoder.layer.1.intermediate.lora_A.weight': '4,8',
      'base_model.model.encoder.layer.1.intermediate.lora_B.weight': '12,4',
    })
    assert.deepEqual(files.config, {
      peft_type: 'LORA',
      task_type: 'SEQ_CLS',
      base_model_name_or_path: 'someone/some-model',
      r: 4,
      lora_alpha: 8,
      lora_dropout: 0,
      target_modules: ['encoder.layer.0.attention.query', 'encoder.layer.1.intermediate'],
      modules_to_save: ['classifier'],
      fan_in_fan_out: false,
      use_dora: false,
      use_rslora: false,
      bias: 'none',
      rank_pattern: {},
      alpha_pattern: {},
      inference_mode: true,
      init_lora_weights: true,
      auto_mapping: null,
      revision: null,
    })
  })

  it('name and lay out DoRA and IA3, of convolutions too', () => {
    const magnitude = 'base_model.model.layer1.conv1.lora_magnitude_vector'
    const convolved = shapes(written(residualNetwork(), dora({ rank: 2, targets: ['layer1.conv1'] })).tensors)
    assert.equal(convolved[magnitude], '1,4,1,1')
    assert.equal(convolved['base_model.model.layer1.conv1.lora_A.weight'], '2,4,3,3')
    assert.equal(convolved['base_model.model.layer1.conv1.lora_B.weight'], '4,2,1,1')
    const { files, tensors } = written(transformer({ layers: 1 }), ia3())
    assert.deepEqual(shapes(tensors), {
      'base_model.model.encoder.layer.0.attention.key.ia3_l': '8,1',
      'base_model.model.encoder.layer.0.attention.value.ia3_l': '8,1',
      'base_model.model.encoder.layer.0.output.ia3_l': '1,12',
    })
    assert.deepEqual(files.config.feedforward_modules, ['encoder.layer.0.output'])
    assert.deepEqual(shapes(written(residualNetwork(), ia3({ targets: ['stem'] })).tensors), {
      'base_model.model.stem.ia3_l': '1,4,1,1',
    })
  })

  it('come back as they went, through another wrapping of the module too', () => {
    const sizes = { 'encoder.layer.0.attention.key': { rank: 2, alpha: 9 } }
    const methods = [
      lora({ rank: 3, alpha: 5 }),
      rsLora({ targets: ['key', 'intermediate'], sizes }),
      dora({ rank: 2 }),
      ia3(),
      ia3({ targets: [], feedForward: ['output'] }),
    ]
    for (const method of methods)
      for (const rename of [
        (module: string) => module,
        (module: string) => `bert.${module}`,
        (module: string) => module.replace('encoder.', ''),
      ]) {
        const { applied, weights, files } = written(transformer({ anonymous: true }), method, { rename })
        const read = readPeft(transformer({ anonymous: true }), JSON.parse(JSON.stringify(files.config)), files.weights)
        assert.equal(read.applied.method.name, method.name)
        assert.deepEqual(new Map([...read.weights].sort()), new Map([...weights].sort()))
        assert.deepEqual(read.applied.mergedWeights(read.weights), applied.mergedWeights(weights))
      }
  })

  it('are refused where names do not tell the modules, or the method has none', () => {
    const nameless = transformer({ anonymous: true })
    const graph = {
      ...nameless.graph,
      nodes: nameless.graph.nodes.map((node) => ({ ...node, name: node.name.replaceAll('/', '_') })),
    }
    // Without biases nothing is left that tells the path.
    graph.initializers = new Map(
      [...graph.initializers].map(([name, tensor]) => [
        name.endsWith('.bias') ? name.replaceAll('.', '_') : name,
        tensor,
      ]),
    )
    graph.nodes = graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((input) => (input.endsWith('.bias') ? input.replaceAll('.', '_') : input)),
    }))
    assert.throws(
      () => written({ ...nameless, graph }, lora()),
      (error) =>
        error instanceof GraftError &&
        /neither its weight, its bias nor its node has the name of a module/.test(error.message),
    )
    assert.throws(() => written(transformer({ fused: true }), lora()), /packs several modules in one operator/)
    assert.throws(() => written(transformer(), houlsby()), /PEFT's files hold LoRA/)
    assert.throws(() => written(transformer(), lora(), { rename: () => 'same' }), /is another layer too/)
  })

  it('are refused when they are of another kind or network', () => {
    const { files, tensors } = written(transformer(), lora({ rank: 4 }))
    const read =
      (config: Record<string, unknown>, bytes = files.weights, model = transformer()) =>
      () =>
        readPeft(model, { ...files.config, ...config }, bytes)
    const changed = (edit: (all: Record<string, (typeof tensors)[string]>) => void) => {
      const all = { ...tensors }
      edit(all)
      return encodeSafetensors({ tensors: all, metadata: {} })
    }
    const query = 'base_model.model.encoder.layer.0.attention.query.lora_A.weight'
    assert.throws(read({ peft_type: 'ADALORA' }), /its peft_type is ADALORA/)
    assert.throws(read({ bias: 'all' }), /it changes biases/)
    assert.throws(read({ lora_bias: true }), /it uses lora_bias/)
    assert.throws(read({ lora_alpha: 'much' }), /expected a number/)
    assert.throws(read({ use_dora: true, use_rslora: true }), /both DoRA and rsLoRA/)
    assert.throws(
      read({ use_dora: true }),
      /lora_magnitude_vector of "encoder.layer.0.attention.(query|key)" is missing/,
    )
    assert.throws(read({}, files.weights, residualNetwork()), /is not found in the network/)
    assert.throws(read({}, files.weights, transformer({ packed: true })), /Modules near to it: .*qkv/)
    assert.throws(
      read(
        {},
        changed((all) => delete all[query]),
      ),
      /lora_A of .* is missing/,
    )
    assert.throws(
      read(
        {},
        changed((all) => {
          all[query] = { type: 'float32', dims: [4, 6], data: new Float32Array(24) }
        }),
      ),
      /has the shape \[4,6\]; the network takes \[4,8\]/,
    )
    assert.throws(
      read(
        {},
        changed((all) => {
          all['base_model.model.embeddings.lora_embedding_A'] = {
            type: 'float32',
            dims: [1],
            data: new Float32Array(1),
          }
        }),
      ),
      /is a part of an adapter that is not read/,
    )
    assert.throws(read({}, encodeSafetensors({ tensors: { x: tensors[query]! }, metadata: {} })), /holds no adapter/)
    const ambiguous = changed((all) => {
      for (const name of Object.keys(all)) delete all[name]
      all['base_model.model.attention.query.lora_A.weight'] = tensors[query]!
      all['base_model.model.attention.query.lora_B.weight'] = tensors[query.replace('_A', '_B')]!
    })
    assert.throws(read({}, ambiguous), /both end so/)
  })

  it('stand beside methods by name', () => {
    const method = adapterMethod('lora', { rank: 3, targets: ['key', { pattern: 'VALUE$', flags: 'i' }] })
    assert.deepEqual(method.options, { rank: 3, alpha: 6, targets: ['key', /VALUE$/i], sizes: undefined })
    assert.throws(() => adapterMethod('lorra'), /no adapter method "lorra"/)
    assert.throws(() => adapterMethod('houlsby', { rank: 3 }), /houlsby has no option "rank"/)
    assert.throws(() => adapterMethod('lora', { targets: [3] }), /A pattern is 3/)
  })
})
