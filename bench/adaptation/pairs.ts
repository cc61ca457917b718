/** The pairs of domains, by what lies in the data folder. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchSettings } from '../support/settings.js'

export interface DomainPair {
  readonly name: string
  readonly source: string
  readonly target: string
}

const PAIRS: readonly (readonly [name: string, source: string, target: string])[] = [
  ['photo -> art', 'pacs/photo', 'pacs/art_painting'],
  ['art -> photo', 'pacs/art_painting', 'pacs/photo'],
  ['mnist -> optdigits', 'digits/mnist', 'digits/optdigits'],
  ['optdigits -> mnist', 'digits/optdigits', 'digits/mnist'],
  ['movies -> products', 'reviews/movies-imdb.csv', 'reviews/products-amazon.csv'],
  ['products -> restaurants', 'reviews/products-amazon.csv', 'reviews/restaurants-yelp.csv'],
  ['restaurants -> movies', 'reviews/restaurants-yelp.csv', 'reviews/movies-imdb.csv'],
]

/** The pairs whose data is there, with one of the words in their name where there are any. */
export function domainPairs({ data, only }: Pick<BenchSettings, 'data' | 'only'>): DomainPair[] {
  return PAIRS.map(([name, source, target]) => ({
    name,
    source: join(data, source),
    target: join(data, target),
  })).filter(
    ({ name, source, target }) =>
      existsSync(source) && existsSync(target) && (only.length === 0 || only.some((word) => name.includes(word))),
  )
}
