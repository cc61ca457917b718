/** Which layers an adapter stands on: by pattern, or by what they do. */
import { GraftError, UsageError } from '../../base/errors.js'
import { nearNames } from '../near.js'
import type { Layer } from './layers.js'
import type { NetworkView } from './view.js'

/**
 * A name or its end after a point or slash, as in PEFT (`query` finds `encoder.layer.0.attention.self.query`), `*` standing
 * for anything; or a regular expression. Tried on the path of the module, the name of the weight and that of the node.
 */
export type Pattern = string | RegExp

/** A weight with all layers that compute with it. */
export interface Target {
  readonly layer: Layer
  readonly layers: readonly Layer[]
}

/** All layers with a weight matrix or kernel, but for the head. */
export const ALL_LINEAR = 'all-linear'

const withoutPart = (name: string): string => name.replace(/\.weight$/, '')

const namesOf = (layer: Layer): string[] => [
  ...(layer.module === undefined ? [] : [layer.module]),
  layer.name,
  withoutPart(layer.name),
  layer.node.name,
]

export function matcher(pattern: Pattern): (name: string) => boolean {
  if (pattern instanceof RegExp) {
    const expression = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    return (name) => expression.test(name)
  }
  if (pattern.includes('*')) {
    const source = pattern
      .split('*')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*')
    const expression = new RegExp(`^(.*[./])?${source}$`)
    return (name) => expression.test(name)
  }
  return (name) => name === pattern || name.endsWith(`.${pattern}`) || name.endsWith(`/${pattern}`)
}

/**
 * The layers that the patterns name; without patterns, those that `fallback` chooses.
 *
 * @throws UsageError where a pattern finds no layer, or one that no adapter can stand on
 */
export function chooseTargets(
  view: NetworkView,
  patterns: readonly Pattern[] | undefined,
  fallback: () => readonly Layer[],
): Target[] {
  const chosen = patterns === undefined ? fallback() : patterns.flatMap((pattern) => layersOf(view, pattern))
  const rounded = chosen.find((layer) => layer.quantised)
  if (rounded !== undefined && patterns !== undefined)
    throw new UsageError(`No adapter can stand on "${rounded.name}": it is rounded to whole numbers in the network.`, {
      remedy: 'Leave it out of the targets, or take the network before it was quantised.',
    })
  const wanted = new Set(chosen.filter((layer) => !layer.quantised).map((layer) => layer.parameter))
  const targets: Target[] = []
  for (const parameter of wanted) {
    const layers = view.layers.all.filter((layer) => layer.parameter === parameter)
    const [layer] = layers as [Layer, ...Layer[]]
    const other = layers.find(
      (one) => one.outFirst !== layer.outFirst || one.arrangement.perm.join() !== layer.arrangement.perm.join(),
    )
    if (other !== undefined) {
      if (patterns === undefined) continue
      throw new UsageError(
        `"${layer.name}" is used as it is by ${layer.node.name} and transposed by ${other.node.name}; one adapter cannot fit both.`,
        { remedy: 'Leave it out of the targets.' },
      )
    }
    targets.push({ layer, layers })
  }
  if (targets.length === 0)
    throw new GraftError(
      'The network has no layer outside its head with a matrix or kernel of its own that is not rounded to whole numbers.',
      {
        remedy: 'Fine-tune its parameters themselves, or train a head on its features.',
      },
    )
  const order = new Map(view.layers.all.map((layer, i) => [layer, i]))
  return targets.sort((a, b) => (order.get(a.layer) ?? 0) - (order.get(b.layer) ?? 0))
}

function layersOf(view: NetworkView, pattern: Pattern): readonly Layer[] {
  if (pattern === ALL_LINEAR) return view.body
  const matches = matcher(pattern)
  const found = view.layers.all.filter((layer) => namesOf(layer).some(matches))
  if (found.length > 0) return found
  const unsuitable = view.layers.unsuitable.find(({ names }) => [...names, ...names.map(withoutPart)].some(matches))
  const paths = view.layers.all.map((layer) => layer.module ?? layer.name)
  const known = [...paths.map((path) => path.split('.').at(-1) as string), ...paths]
  throw new UsageError(
    unsuitable
      ? `No adapter can stand on "${unsuitable.names[0]}" (${String(pattern)}): ${unsuitable.reason}.`
      : `No layer is called ${String(pattern)}.`,
    {
      remedy: `Layers near to it: ${nearNames(String(pattern), known).join(', ') || 'none'}. "all-linear" takes all of them.`,
    },
  )
}

/** A stem for the names of an adapter's parameters. */
export const stemOf = (layer: Layer): string => layer.module ?? withoutPart(layer.name)

/** A pattern for the weight of this layer and no other. */
export const exactly = ({ name }: Layer): RegExp => new RegExp(`^${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`)
