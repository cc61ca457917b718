/** The pairs of domains, by what lies in the data folder. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

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

/** The pairs whose data is there. */
export function domainPairs(data: string): DomainPair[] {
  return PAIRS.map(([name, source, target]) => ({
    name,
    source: join(data, source),
    target: join(data, target),
  })).filter(({ source, target }) => existsSync(source) && existsSync(target))
}
