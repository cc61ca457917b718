/** What a trained network for texts takes with it, so that transformers.js and Python load it. */
import type { Targets } from '../../data/targets.js'
import type { Model } from '../../graph/graph.js'
import type { FolderParts } from '../../models/modelFolder.js'
import type { PreparedTexts } from './prepare.js'
import type { TextTrunk } from './trunk.js'

/** Hugging Face's `problem_type`: how scores become probabilities. */
const PROBLEMS: Readonly<Record<Exclude<Targets['kind'], 'token-labels'>, string>> = {
  'single-label': 'single_label_classification',
  ordinal: 'single_label_classification',
  'multi-label': 'multi_label_classification',
  number: 'regression',
}

/** Hugging Face's name for what such targets are. */
export function problemOf(kind: Exclude<Targets['kind'], 'token-labels'>): string {
  return PROBLEMS[kind]
}

export function folderOf({ backbone }: TextTrunk, { targets }: Pick<PreparedTexts, 'targets'>): FolderParts {
  const { kind } = targets
  return {
    task: kind === 'token-labels' ? 'token-classification' : 'text-classification',
    target: kind,
    config: backbone.config,
    ...(kind === 'token-labels' ? {} : { problem: problemOf(kind) }),
    files: backbone.tokenizerFiles,
    maxLength: backbone.maxLength,
  }
}

/** What Hugging Face calls the last hidden states. */
const HIDDEN = 'last_hidden_state'

/**
 * The hidden states (N, T, D) as a second output, where the features are taken from such: the pipeline for feature extraction
 * reads them, so that the trained encoder also gives embeddings.
 */
export function withHiddenStates({ point }: TextTrunk, model: Model): Model {
  const { graph } = model
  const taken = graph.outputs.some(({ name }) => name === HIDDEN)
  const made = graph.nodes.some((node) => node.outputs.includes(point.features))
  if (point.rank !== 3 || taken || !made) return model
  const rename = graph.nodes.some((node) => node.outputs.includes(HIDDEN)) && point.features !== HIDDEN
  if (rename) return model
  const identity = {
    name: 'graft.hidden',
    opType: 'Identity',
    domain: '',
    inputs: [point.features],
    outputs: [HIDDEN],
    attributes: new Map(),
  }
  return {
    ...model,
    graph: {
      ...graph,
      nodes: point.features === HIDDEN ? graph.nodes : [...graph.nodes, identity],
      outputs: [...graph.outputs, { name: HIDDEN, type: 'float32', shape: ['batch', 'sequence', point.width] }],
    },
  }
}
