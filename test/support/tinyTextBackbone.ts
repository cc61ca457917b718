/** A network of random weights for short texts of a few words, with a tokenizer of its own, small enough to train in a second. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '#graft/base/random.js'
import { type Attribute, attr, emptyGraph, type Model } from '#graft/graph/graph.js'
import { float32, sizeOf } from '#graft/graph/tensor.js'
import { writeModel } from '#graft/onnx/writer.js'

export const GOOD = ['good', 'great', 'lovely', 'fine', 'superb', 'nice']
export const BAD = ['bad', 'awful', 'poor', 'dull', 'broken', 'worst']
export const PLACES = ['paris', 'oslo', 'lima', 'cairo']
export const PEOPLE = ['anna', 'bruno', 'clara', 'david']
export const FILL = ['the', 'a', 'film', 'room', 'food', 'was', 'is', 'in', 'with', 'and', 'we', 'saw', 'it', 'today']

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
const VOCABULARY = [...SPECIAL, ...GOOD, ...BAD, ...PLACES, ...PEOPLE, ...FILL, '.', ',', '!', '##s', '##ly']
const WIDTH = 24
const DEEP = 32

/** Two residual layers on each token, which see their neighbours: (N, T) to hidden states (N, T, D). */
function network(seed: number): Model {
  const random = new Random(seed, 'tiny text')
  const graph = emptyGraph('tiny-text')
  graph.inputs = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({
    name,
    type: 'int64',
    shape: ['batch', 'sequence'],
  }))
  const weight = (name: string, dims: number[], scale: number) => {
    const values = Float32Array.from({ length: sizeOf(dims) }, () => scale * random.normal())
    graph.initializers.set(name, float32(dims, values))
    return name
  }
  const node = (opType: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}) => {
    graph.nodes.push({
      name: output,
      opType,
      domain: '',
      inputs,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    })
    return output
  }
  const words = node('Gather', [weight('words', [VOCABULARY.length, WIDTH], 1), 'input_ids'], 'words.found')
  const types = node('Gather', [weight('types', [2, WIDTH], 0.3), 'token_type_ids'], 'types.found')
  let value = node('Add', [words, types], 'embedded')
  const mask = node('Cast', ['attention_mask'], 'mask', { to: attr.int(1) })
  graph.initializers.set('last', { type: 'int64', dims: [1], data: BigInt64Array.of(2n) })
  const column = node('Unsqueeze', [mask, 'last'], 'mask.column')
  for (const layer of [0, 1]) {
    const masked = node('Mul', [value, column], `masked${layer}`)
    const inner = node('MatMul', [masked, weight(`up${layer}`, [WIDTH, DEEP], 0.2)], `inner${layer}`)
    const bent = node(
      'Tanh',
      [node('Add', [inner, weight(`bias${layer}`, [DEEP], 0.1)], `raised${layer}`)],
      `bent${layer}`,
    )
    const outer = node('MatMul', [bent, weight(`down${layer}`, [DEEP, WIDTH], 0.2)], `outer${layer}`)
    value = node('Add', [value, outer], `layer${layer}`)
  }
  node('Identity', [value], 'last_hidden_state')
  graph.outputs = [{ name: 'last_hidden_state', type: 'float32', shape: ['batch', 'sequence', WIDTH] }]
  return {
    graph,
    irVersion: 8,
    opsets: new Map([['', 17]]),
    functions: [],
    producer: { name: 'test', version: '' },
    metadata: new Map(),
  }
}

function tokenizer(): object {
  const vocab = Object.fromEntries(VOCABULARY.map((token, id) => [token, id]))
  const special = (id: number) => ({
    id,
    content: SPECIAL[id],
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  const token = (content: string, type: number) => ({ SpecialToken: { id: content, type_id: type } })
  const sequence = (id: string, type: number) => ({ Sequence: { id, type_id: type } })
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((_, id) => special(id)),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token('[CLS]', 0), sequence('A', 0), token('[SEP]', 0)],
      pair: [token('[CLS]', 0), sequence('A', 0), token('[SEP]', 0), sequence('B', 1), token('[SEP]', 1)],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((name) => [name, { id: name, ids: [SPECIAL.indexOf(name)], tokens: [name] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  }
}

/** Writes the folder, in Hugging Face's layout. */
export function tinyTextBackbone(folder: string, seed = 1): string {
  mkdirSync(join(folder, 'onnx'), { recursive: true })
  writeFileSync(join(folder, 'onnx', 'model.onnx'), writeModel(network(seed)))
  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value))
  json('config.json', {
    model_type: 'bert',
    architectures: ['BertModel'],
    max_position_embeddings: 32,
    pad_token_id: 0,
  })
  json('tokenizer.json', tokenizer())
  json('tokenizer_config.json', {
    tokenizer_class: 'BertTokenizer',
    model_max_length: 32,
    pad_token: '[PAD]',
    unk_token: '[UNK]',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    mask_token: '[MASK]',
    do_lower_case: true,
  })
  return folder
}

/** Sentences of known and unimportant words, with what they say. */
export function sentences(n: number, seed = 3): { words: string[]; good: number; bad: number; tags: string[] }[] {
  const random = new Random(seed, 'sentences')
  const pick = (list: readonly string[]) => list[random.integer(list.length)]!
  return Array.from({ length: n }, () => {
    const length = 3 + random.integer(9)
    const words: string[] = []
    const tags: string[] = []
    let [good, bad] = [0, 0]
    for (let i = 0; i < length; i++) {
      const kind = random.integer(8)
      if (kind < 4) words.push(pick(FILL))
      else if (kind === 4) {
        words.push(pick(GOOD))
        good++
      } else if (kind === 5) {
        words.push(pick(BAD))
        bad++
      } else words.push(pick(kind === 6 ? PLACES : PEOPLE))
      tags.push(kind === 6 ? 'B-LOC' : kind === 7 ? 'B-PER' : 'O')
    }
    return { words, good, bad, tags }
  })
}
