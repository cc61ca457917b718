/** Small domains whose classes are clouds of points, and what a method makes of them. */
import { argmaxRows, type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'
import type { Engine } from '#graft/runtime/engine.js'
import {
  type AdaptedCandidate,
  type AdaptFeatureNetworkOptions,
  adaptFeatureNetwork,
} from '#graft/techniques/domainAdaptation/adapt.js'
import type { TuningMethod } from '#graft/techniques/fineTuning/method.js'

export interface Cloud {
  readonly features: Matrix
  readonly labels: Int32Array
}

export interface CloudOptions {
  readonly key: string
  /** Samples of each class. */
  readonly counts: readonly number[]
  /** Degrees by which the whole domain is turned. */
  readonly turn?: number
  readonly shift?: readonly [number, number]
  /** Classes lie on a circle in this many equal steps. @default as many as there are counts */
  readonly places?: number
  /** Of the circle, by class. @default 3 for each */
  readonly radii?: readonly number[]
  /** Standard deviation within a class. */
  readonly spread?: number
}

/** Two dimensions that matter and two that do not. */
export const WIDTH = 4

/** Classes on a circle, turned and shifted. */
export function clouds({
  key,
  counts,
  turn = 0,
  shift = [0, 0],
  places = counts.length,
  radii,
  spread = 0.6,
}: CloudOptions): Cloud {
  const random = new Random(11, key)
  const labels = Int32Array.from(random.shuffle(counts.flatMap((count, label) => new Array<number>(count).fill(label))))
  const features = matrix(labels.length, WIDTH)
  labels.forEach((label, i) => {
    const angle = (2 * Math.PI * label) / places + (turn * Math.PI) / 180
    const radius = radii?.[label] ?? 3
    const own = [radius * Math.cos(angle) + shift[0], radius * Math.sin(angle) + shift[1], 0, 0]
    for (let d = 0; d < WIDTH; d++) features.data[i * WIDTH + d] = own[d]! + spread * random.normal()
  })
  return { features, labels }
}

export type Options = Partial<Omit<AdaptFeatureNetworkOptions, 'engine' | 'methods' | 'sources' | 'target'>> & {
  readonly sources: readonly Cloud[]
  readonly to: Cloud
  /** Labels of the target that may be learnt from. */
  readonly known?: Int32Array
}

/** Adapts a small head; the target's labels are not shown. */
export function adapted(
  engine: Engine,
  methods: readonly TuningMethod[],
  { sources, to, known, settings, ...options }: Options,
): Promise<AdaptedCandidate> {
  const classes = 1 + Math.max(...sources.flatMap(({ labels }) => Array.from(labels)))
  return adaptFeatureNetwork({
    engine,
    classes: Array.from({ length: classes }, (_, c) => String(c)),
    target: { name: 'target', features: to.features, ...(known && { labels: known }) },
    methods,
    hidden: 32,
    rows: 32,
    settings: { epochs: 12, ...settings },
    random: new Random(4, 'adapted'),
    context: { signal: new AbortController().signal, warn: () => undefined },
    ...options,
    sources: sources.map((own, s) => ({ ...own, name: `source ${s}` })),
  })
}

/** Share of the rows whose largest logit is that of their label, of those that `counts` takes. */
export function accuracy(logits: Matrix, labels: Int32Array, counts: (label: number) => boolean = () => true): number {
  let right = 0
  let all = 0
  argmaxRows(logits).forEach((best, i) => {
    if (!counts(labels[i]!)) return
    all++
    if (best === labels[i]) right++
  })
  return right / all
}
