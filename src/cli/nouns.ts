/** What the samples of a model are called. */
export function nounsFor(kind: 'images' | 'texts'): { readonly one: string; readonly many: string } {
  return kind === 'images' ? { one: 'photo', many: 'photos' } : { one: 'text', many: 'texts' }
}
