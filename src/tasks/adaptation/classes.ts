/** The classes of several domains put together: which names mean the same, and which are missing where. */
import { GraftError } from '../../base/errors.js'
import { likeness } from '../../data/datasetWarnings.js'
import { list } from '../../data/layout.js'

/** A labelled domain, by its own class names. */
export interface OwnClasses {
  /** What the domain is called. */
  readonly name: string
  readonly classes: readonly string[]
  /** (N), an index into `classes`; -1 where it is not known. */
  readonly labels: Int32Array
}

export interface JoinedClasses {
  /** Of all domains, sorted. */
  readonly classes: readonly string[]
  /** For each domain (N), an index into `classes`; -1 where it is not known. */
  readonly labels: readonly Int32Array[]
  /** Sentences for a person. */
  readonly warnings: readonly string[]
}

/** The union of the classes of labelled domains. Names that differ only by case, space, hyphen or underscore are one class. */
export function joinClasses(domains: readonly OwnClasses[]): JoinedClasses {
  const nameOf = new Map<string, string>()
  for (const { classes } of domains)
    for (const name of classes) if (!nameOf.has(likeness(name))) nameOf.set(likeness(name), name)
  const classes = [...nameOf.values()].sort()
  const warnings: string[] = []
  const present: Set<number>[] = []
  const labels = domains.map(({ name, classes: own, labels: given }) => {
    const to = own.map((label) => classes.indexOf(nameOf.get(likeness(label)) ?? label))
    const other = own.filter((label, k) => classes[to[k]!] !== label)
    if (other.length > 0)
      warnings.push(
        `${name}: ${list(other)} differ from another source's class only by case or space: taken for the same.`,
      )
    const found = given.map((label) => to[label] ?? -1)
    present.push(new Set(found.filter((label) => label >= 0)))
    return found
  })
  if (domains.length > 1)
    for (const [k, name] of classes.entries()) {
      const having = domains.filter((_, d) => present[d]!.has(k))
      if (having.length === 0 || having.length === domains.length) continue
      warnings.push(
        `The class ${name} is in ${list(having.map((domain) => domain.name))} only: what tells the sources apart also tells it apart.`,
      )
    }
  return { classes, labels, warnings }
}

export interface MatchedLabels {
  /** (N), an index into the classes that are known; -1 where nothing is said or the class is another. */
  readonly labels: Int32Array
  /** Classes that the sources have not. */
  readonly others: readonly string[]
  /** (N): 1 where the sample's class is one of `others`. */
  readonly other: Uint8Array
  /** Classes of the sources without a sample here. */
  readonly absent: readonly string[]
}

/**
 * A domain's labels in the classes that are known.
 *
 * @throws GraftError where not one of its classes is known
 */
export function matchLabels(classes: readonly string[], domain: OwnClasses, sources: string): MatchedLabels {
  const place = new Map(classes.map((name, k) => [likeness(name), k] as const))
  const used = new Set(domain.labels)
  const own = domain.classes.filter((_, k) => used.has(k))
  const others = own.filter((name) => !place.has(likeness(name)))
  if (own.length > 0 && others.length === own.length)
    throw new GraftError(`${domain.name} and ${sources} share no class: ${list(own)} there, ${list(classes)} here.`, {
      remedy:
        'A model can only learn to know the classes of the source elsewhere. Rename the folders or labels where they mean the same, or leave --evaluate out where they mean something else.',
    })
  const to = domain.classes.map((name) => place.get(likeness(name)) ?? -1)
  const labels = domain.labels.map((label) => to[label] ?? -1)
  const other = Uint8Array.from(domain.labels, (label) => (label >= 0 && to[label] === -1 ? 1 : 0))
  const found = new Set(labels)
  return { labels, others, other, absent: classes.filter((_, k) => !found.has(k)) }
}
