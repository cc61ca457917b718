/** Which special tokens stand around one text or two, and which of the two each position belongs to. */
import { asPart, asParts, isPart, malformed, type Part, textOf, typeOf, unsupported } from './json.js'

export type TemplateItem =
  | { readonly kind: 'special'; readonly ids: readonly number[]; readonly type: number }
  | { readonly kind: 'text'; readonly which: 0 | 1; readonly type: number }

export interface Template {
  readonly single: readonly TemplateItem[]
  readonly pair: readonly TemplateItem[]
}

const text = (which: 0 | 1, type: number): TemplateItem => ({ kind: 'text', which, type })
const special = (id: number, type: number): TemplateItem => ({ kind: 'special', ids: [id], type })

/** Without a post-processor the texts stand one after the other. */
const PLAIN: Template = { single: [text(0, 0)], pair: [text(0, 0), text(1, 1)] }

/**
 * @param part the `post_processor` of a tokenizer.json; null where there is none
 * @param idOf the number of a token in the vocabulary
 */
export function template(part: Part | null, idOf: (token: string) => number | undefined): Template {
  // ByteLevel changes offsets only.
  if (part === null || part.type === 'ByteLevel') return PLAIN
  switch (part.type) {
    case 'Sequence': {
      const all = asParts(part.processors, 'processors').filter((one) => one.type !== 'ByteLevel')
      if (all.length > 1) throw unsupported('several post-processors that add tokens')
      return template(all[0] ?? null, idOf)
    }
    case 'BertProcessing':
    case 'RobertaProcessing': {
      const [cls, sep] = ['cls', 'sep'].map((name) => pairOf(part, name)) as [number, number]
      const single = [special(cls, 0), text(0, 0), special(sep, 0)]
      if (part.type === 'BertProcessing') return { single, pair: [...single, text(1, 1), special(sep, 1)] }
      return { single, pair: [...single, special(sep, 0), text(1, 0), special(sep, 0)] }
    }
    case 'TemplateProcessing':
      return { single: items(part, 'single', idOf), pair: items(part, 'pair', idOf) }
    default:
      throw unsupported(`the post-processor ${typeOf(part)}`)
  }
}

/** `["[CLS]", 101]` */
function pairOf(part: Part, name: string): number {
  const value = part[name]
  const id = Array.isArray(value) ? value[1] : undefined
  if (typeof id === 'number') return id
  throw malformed(`"${name}" of ${typeOf(part)} is not a token with its number`)
}

function items(part: Part, name: string, idOf: (token: string) => number | undefined): TemplateItem[] {
  const known = isPart(part.special_tokens) ? part.special_tokens : {}
  return asParts(part[name], `${name} of the template`).map((item) => {
    const isText = item.Sequence !== undefined
    const body = asPart(isText ? item.Sequence : item.SpecialToken, `an item of the template`)
    const id = textOf(body, 'id')
    const type = typeof body.type_id === 'number' ? body.type_id : 0
    if (isText) return text(id === 'A' ? 0 : 1, type)
    const listed = isPart(known[id]) ? known[id].ids : undefined
    const ids = Array.isArray(listed) ? listed.map(Number) : [idOf(id)].filter((found) => found !== undefined)
    if (ids.length === 0) throw malformed(`the template's token "${id}" is not in the vocabulary`)
    return { kind: 'special', ids, type }
  })
}
