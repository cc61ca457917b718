/** Tokens that are found in a text before anything else is done to it, such as `[MASK]`. */
import { asParts, flagOf, malformed, type Part, textOf } from './json.js'
import type { Normalize } from './normalizers.js'
import { pattern, SPACE, WORD } from './unicode.js'

export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly singleWord: boolean
  /** It takes the spaces before (after) it. */
  readonly left: boolean
  readonly right: boolean
  /** Found in the normalised text. */
  readonly normalized: boolean
  readonly special: boolean
}

export function readAddedTokens(value: unknown): AddedToken[] {
  return asParts(value ?? [], 'added_tokens').map((part: Part) => {
    const { id } = part
    if (typeof id !== 'number') throw malformed('an added token has no id')
    const special = flagOf(part, 'special', false)
    return {
      id,
      content: textOf(part, 'content'),
      singleWord: flagOf(part, 'single_word', false),
      left: flagOf(part, 'lstrip', false),
      right: flagOf(part, 'rstrip', false),
      normalized: flagOf(part, 'normalized', !special),
      special,
    }
  })
}

/** A part of a text: one of the tokens, or what lies between them. */
export type Section = { readonly token: AddedToken } | { readonly text: string; readonly start: number }

export type Sections = (text: string) => readonly Section[]

/** @param contentOf how a token's content reads in the text that will be divided */
export function sectionFinder(tokens: readonly AddedToken[], contentOf: Normalize): Sections {
  const byContent = new Map<string, AddedToken>()
  for (const token of tokens) {
    const content = contentOf(token.content)
    if (content !== '') byContent.set(content, token)
  }
  if (byContent.size === 0) return (text) => (text === '' ? [] : [{ text, start: 0 }])
  // The first alternative that matches is taken, so the longest come first.
  const contents = [...byContent.keys()].sort((a, b) => b.length - a.length)
  const found = new RegExp(contents.map((c) => c.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|'), 'gu')
  return (text) => {
    const sections: Section[] = []
    let at = 0
    for (const { 0: content, index } of text.matchAll(found)) {
      const token = byContent.get(content) as AddedToken
      let start = index
      let end = index + content.length
      if (token.singleWord && (WORD_END.test(text.slice(0, start)) || WORD_START.test(text.slice(end)))) continue
      if (token.left) start = Math.max(at, start - (SPACES_END.exec(text.slice(0, start))?.[0].length ?? 0))
      if (token.right) end += SPACES_START.exec(text.slice(end))?.[0].length ?? 0
      if (start > at) sections.push({ text: text.slice(at, start), start: at })
      sections.push({ token })
      at = end
    }
    if (at < text.length) sections.push({ text: text.slice(at), start: at })
    return sections
  }
}

const WORD_END = pattern(`[${WORD}]$`, '')
const WORD_START = pattern(`^[${WORD}]`, '')
const SPACES_END = pattern(`${SPACE}+$`, '')
const SPACES_START = pattern(`^${SPACE}+`, '')
