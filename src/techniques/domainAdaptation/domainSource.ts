/** Samples of several domains as one source, whose batches hold a block of each. */
import { GraftError, InternalError, UsageError } from '../../base/errors.js'
import { sizeOf } from '../../graph/tensor.js'
import type { HostTensor } from '../../runtime/types.js'
import { blocksOf } from '../fineTuning/domains.js'
import type { Batch, BatchRequest, Domain, SampleShapes, SampleSource } from '../fineTuning/network.js'
import { commonOccurring } from '../fineTuning/usedRows.js'

export interface DomainSamples {
  readonly name: string
  /** Targets with the same classes in every domain; -1 where a class is not known. */
  readonly source: SampleSource
  /** It is learnt from; else it is adapted to. */
  readonly labelled: boolean
  /** Of a domain that is adapted to: the labels that its source has are learnt from as well. @default false: they are hidden */
  readonly few?: boolean
}

export interface JoinOptions {
  /** What fills up shorter samples, by input: the padding token of texts. @default 0 */
  readonly padding?: Readonly<Record<string, number>>
}

type ClassTargets = SampleSource['targets'] & { readonly kind: 'single-label' | 'ordinal' }

/**
 * One source with a block of rows for each domain in every batch. An epoch sees every sample of the larger domain once, and no more
 * than twenty rounds of the smallest; see `fineTuning/domains.ts`. What it gives depends on nothing but the order that it is asked for.
 * Texts of different lengths are padded to one shape.
 *
 * @param rows of each domain in a batch; `settings.batch` is their sum, or a part of it that keeps the shares whole
 * @throws GraftError where a domain is empty, a labelled one has no labels, or classes differ
 */
export function joinDomains(
  parts: readonly DomainSamples[],
  rows: readonly number[],
  options: JoinOptions = {},
): SampleSource {
  check(parts, rows)
  const first = firsts(parts)
  const targets = parts.map(targetsOf)
  const labels = Int32Array.from(targets.flatMap((own) => Array.from(own.labels)))
  const domains: Domain[] = parts.map(({ name, source, labelled }, d) => ({
    name,
    rows: rows[d]!,
    first: first[d]!,
    length: source.length,
    labelled,
    source: {
      length: source.length,
      targets: targets[d]!,
      ...(source.shapes === undefined ? {} : { shapes: source.shapes }),
      ...(source.views === undefined ? {} : { views: source.views }),
      batches: (request: BatchRequest) => source.batches(request),
    },
  }))
  const shapes = combinedShapes(parts.map(({ source }) => source.shapes))
  const occurring = commonOccurring(parts.map(({ source }) => source))
  const laidOut = (request: BatchRequest) => blocks(domains, request, options.padding ?? {})
  return {
    length: labels.length,
    targets: { ...targets[0]!, labels },
    ...(shapes === undefined ? {} : { shapes }),
    ...(occurring === undefined ? {} : { occurring }),
    domains,
    batches: (request) => (request.epoch === undefined ? plain(domains, request) : laidOut(request)),
  }
}

function check(parts: readonly DomainSamples[], rows: readonly number[]): void {
  if (parts.length === 0 || parts.length !== rows.length)
    throw new InternalError(`${rows.length} numbers of rows for ${parts.length} domains`)
  parts.forEach(({ name, source }, d) => {
    if (parts.findIndex((own) => own.name === name) !== d)
      throw new UsageError(`Two domains are called ${name}.`, { remedy: 'Give each a name of its own.' })
    if (source.length === 0)
      throw new GraftError(`The domain ${name} has no samples.`, { remedy: 'Give it some, or leave it out.' })
    if (!Number.isInteger(rows[d]) || rows[d]! < 1)
      throw new UsageError(`${rows[d]} rows a batch for ${name}; expected 1 or more.`)
  })
  for (const { name, source, labelled } of parts)
    if (labelled && !classesOf(name, source).labels.some((label) => label >= 0))
      throw new GraftError(`The domain ${name} is to be learnt from, and none of its samples has a class.`, {
        remedy: 'Label some of them, or let it be the domain that is adapted to.',
      })
}

function classesOf(name: string, { targets }: SampleSource): ClassTargets {
  if (targets.kind !== 'single-label' && targets.kind !== 'ordinal')
    throw new GraftError(`The samples of ${name} have ${targets.kind} targets; adaptation takes one class a sample.`, {
      remedy: 'Adapt a task that gives each sample one class.',
    })
  return targets
}

/** With the labels of a domain that is adapted to hidden, but for the few that are to be learnt from. */
function targetsOf({ name, source, labelled, few = false }: DomainSamples, _: number, all: readonly DomainSamples[]) {
  const own = classesOf(name, source)
  const { name: other, source: against } = all[0]!
  const expected = classesOf(other, against).classes
  if (own.classes.length !== expected.length || own.classes.some((label, c) => label !== expected[c]))
    throw new GraftError(`${name} has the classes ${own.classes.join(', ')}; ${other} has ${expected.join(', ')}.`, {
      remedy: 'Give all domains one list of classes in one order.',
    })
  return labelled || few ? own : { ...own, labels: new Int32Array(source.length).fill(-1) }
}

function firsts(parts: readonly DomainSamples[]): number[] {
  let next = 0
  return parts.map(({ source }) => {
    const first = next
    next += source.length
    return first
  })
}

/** Batches as an epoch's order lays them out: the blocks of every domain, each prepared by its own source. */
async function* blocks(
  domains: readonly Domain[],
  request: BatchRequest,
  padding: Readonly<Record<string, number>>,
): AsyncGenerator<Batch> {
  const { order, start, size } = request
  const layout = blocksOf(domains, size)
  if (order.length % size !== 0 || start % size !== 0)
    throw new InternalError(`an order of ${order.length} from ${start} on is no whole number of batches of ${size}`)
  const open = domains.map(({ source, first }, d) => {
    const { start: at, rows } = layout[d]!
    const own = new Int32Array((order.length / size) * rows)
    for (let i = 0; i < own.length; i++) own[i] = order[Math.floor(i / rows) * size + at + (i % rows)]! - first
    const batches = source.batches({ ...request, order: own, start: (start / size) * rows, size: rows })
    return batches[Symbol.asyncIterator]()
  })
  try {
    for (let at = start; at < order.length; at += size) {
      const parts: Batch[] = []
      for (const [d, iterator] of open.entries()) {
        const { value, done } = await iterator.next()
        if (done) throw new InternalError(`the domain ${domains[d]!.name} ended early`)
        parts.push(value as Batch)
      }
      yield stacked(parts, domains, padding)
    }
  } finally {
    for (const iterator of open) await iterator.return?.(undefined)
  }
}

/** Any samples, those of one domain after those of another. */
async function* plain(domains: readonly Domain[], request: BatchRequest): AsyncGenerator<Batch> {
  if (request.start !== 0) throw new InternalError(`samples of several domains are read from the first on`)
  for (const { first, length, source } of domains) {
    const order = request.order.filter((i) => i >= first && i < first + length).map((i) => i - first)
    if (order.length === 0) continue
    for await (const batch of source.batches({ ...request, order }))
      yield { ...batch, samples: batch.samples.map((i) => i + first) }
  }
}

/** The domains' rows one after the other. */
function stacked(
  parts: readonly Batch[],
  domains: readonly Domain[],
  padding: Readonly<Record<string, number>>,
): Batch {
  const samples = Int32Array.from(parts.flatMap((part, d) => Array.from(part.samples, (i) => i + domains[d]!.first)))
  const names = Object.keys(parts[0]!.inputs)
  return {
    samples,
    inputs: Object.fromEntries(
      names.map((name) => [
        name,
        stackRows(
          parts.map(({ inputs }) => inputs[name]!),
          padding[name] ?? 0,
        ),
      ]),
    ),
  }
}

/** (n, ...) and (m, ...) to (n + m, ...), each dimension the largest of them, filled up at its end. */
export function stackRows(tensors: readonly HostTensor[], fill: number): HostTensor {
  const { type, dims } = tensors[0]!
  const sample = dims.slice(1).map((_, i) => Math.max(...tensors.map((own) => own.dims[i + 1]!)))
  const rows = tensors.reduce((sum, own) => sum + own.dims[0]!, 0)
  const data = filled(tensors[0]!.data, rows * sizeOf(sample), fill)
  let at = 0
  for (const tensor of tensors) {
    const one = sizeOf(tensor.dims.slice(1))
    for (let i = 0; i < tensor.dims[0]!; i++, at += sizeOf(sample))
      place(tensor.data.subarray(i * one, (i + 1) * one), tensor.dims.slice(1), data, sample, at)
  }
  return { type, dims: [rows, ...sample], data }
}

function filled(like: HostTensor['data'], length: number, fill: number): HostTensor['data'] {
  if (like instanceof BigInt64Array) return new BigInt64Array(length).fill(BigInt(fill))
  return new (like.constructor as new (length: number) => Float32Array)(length).fill(fill)
}

/** Copies a tensor of these dims into the corner of a larger one that begins at `at`. */
function place(
  from: HostTensor['data'],
  dims: readonly number[],
  to: HostTensor['data'],
  larger: readonly number[],
  at: number,
): void {
  if (dims.slice(1).every((d, i) => d === larger[i + 1])) {
    if (to instanceof BigInt64Array) to.set(from as BigInt64Array, at)
    else to.set(from as Float32Array, at)
    return
  }
  const [inner, outer] = [sizeOf(dims.slice(1)), sizeOf(larger.slice(1))]
  for (let i = 0; i < dims[0]!; i++)
    place(from.subarray(i * inner, (i + 1) * inner), dims.slice(1), to, larger.slice(1), at + i * outer)
}

/** Every shape that a batch can come in: of one of each domain's, the larger in each dimension. */
function combinedShapes(shapes: readonly (readonly SampleShapes[] | undefined)[]): readonly SampleShapes[] | undefined {
  if (shapes.some((own) => own === undefined)) return undefined
  const [first, ...others] = shapes as readonly (readonly SampleShapes[])[]
  const larger = (a: SampleShapes, b: SampleShapes): SampleShapes =>
    Object.fromEntries(
      Object.entries(a).map(([name, dims]) => [name, dims.map((d, i) => Math.max(d, b[name]?.[i] ?? d))]),
    )
  const all = others.reduce<readonly SampleShapes[]>(
    (known, own) => known.flatMap((a) => own.map((b) => larger(a, b))),
    first!,
  )
  return [...new Map(all.map((own) => [JSON.stringify(own), own])).values()]
}
