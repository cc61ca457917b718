/** Experts that all tasks share beside experts of each task, in one layer or several. */
import { attr } from '../../../graph/graph.js'
import { type TaskArchitecture, wholeNumber } from './architecture.js'
import { FEATURES, FeatureGraph } from './parts.js'

export interface PleOptions {
  /** 1 is customised gate control (CGC). @default 2 */
  readonly levels?: number
  /** Experts that are shared, in each level. @default 2 */
  readonly shared?: number
  /** Experts of each task, in each level. @default 2 */
  readonly own?: number
  /** Units of each. @default 64 */
  readonly hidden?: number
  /** As in hard sharing. @default true */
  readonly direct?: boolean
}

/**
 * Progressive layered extraction: in each level a task's gate mixes its own experts with the shared ones, and a gate of the shared
 * part mixes all; the next level's experts read these mixtures, the first level's the features. The last level has no shared
 * mixture (Tang et al. 2020).
 */
export function ple(options: PleOptions = {}): TaskArchitecture {
  const { levels = 2, shared = 2, own = 2, hidden = 64, direct = true } = options
  const name = levels === 1 ? 'cgc' : 'ple'
  for (const [what, value] of Object.entries({
    levels,
    'shared experts': shared,
    'own experts': own,
    'hidden units': hidden,
  }))
    wholeNumber(name.toUpperCase(), what, value)
  return {
    name,
    title: levels === 1 ? 'Customised gate control' : 'Progressive layered extraction',
    paper:
      'Tang et al. 2020, Progressive Layered Extraction (PLE): A Novel Multi-Task Learning Model for Personalized Recommendations, RecSys',
    options: { levels, shared, own, hidden, direct },
    build({ width, tasks, random, heads }) {
      const g = new FeatureGraph(tasks, random)
      let inputs = width
      let common = FEATURES
      let each = tasks.map(() => FEATURES)
      for (let level = 0; level < levels; level++) {
        const last = level === levels - 1
        const sharedExperts = g.experts(`experts${level}`, common, inputs, shared, hidden, undefined)
        // What is below the last level reaches the other tasks through the shared gate.
        const owner = (k: number) => (last ? k : undefined)
        const called = (what: string, k: number) => (last ? `${what}${level}` : `${what}${level}.task${k}`)
        const ownExperts = tasks.map((_, k) => g.experts(called('own', k), each[k]!, inputs, own, hidden, owner(k)))
        const mixtures = tasks.map((_, k) => {
          const both = g.op('Concat', [ownExperts[k]!, sharedExperts], called('both', k), owner(k), {
            axis: attr.int(1),
          })
          return g.gated(called('gate', k), both, own + shared, hidden, each[k]!, inputs, owner(k))
        })
        if (!last) {
          const all = g.op('Concat', [...ownExperts, sharedExperts], `all${level}`, undefined, { axis: attr.int(1) })
          common = g.gated(`gate${level}`, all, own * tasks.length + shared, hidden, common, inputs)
        }
        each = mixtures
        inputs = hidden
      }
      const logits = tasks.map((_, k) => g.end(each[k]!, hidden, width, k, direct, heads?.[k]))
      return g.network(width, logits)
    },
  }
}

/** One level of {@link ple}: customised gate control. */
export const cgc = (options: Omit<PleOptions, 'levels'> = {}): TaskArchitecture => ple({ ...options, levels: 1 })
