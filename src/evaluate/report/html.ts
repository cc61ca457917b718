/**
 * A small template for HTML that cannot forget to escape: every value put into an html`...` template is escaped, unless it is
 * itself such a template's result or was marked by {@link trusted}.
 */
const SAFE = Symbol('safe html')

/** HTML that may be put into a page as it is. */
export interface Html {
  readonly [SAFE]: string
}

export type HtmlValue = Html | string | number | undefined | null | false | readonly HtmlValue[]

/** Builds HTML; strings are escaped, lists joined, and undefined, null and false leave nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = parts[0]!
  values.forEach((value, i) => {
    text += textOf(value) + parts[i + 1]!
  })
  return { [SAFE]: text }
}

/** Marks text that this program made, such as a chart's SVG, as safe. Never for anything that a user wrote. */
export function trusted(text: string): Html {
  return { [SAFE]: text }
}

/** The finished text of a template or a value. */
export function textOf(value: HtmlValue): string {
  if (value === undefined || value === null || value === false) return ''
  if (typeof value === 'string') return escapeHtml(value)
  if (typeof value === 'number') return String(value)
  if (isHtml(value)) return value[SAFE]
  return value.map(textOf).join('')
}

/** Text for an element's content or a quoted attribute. Control characters, which HTML forbids, become U+FFFD. */
export function escapeHtml(text: string): string {
  return text.replace(/[^\P{Cc}\t\n\r]/gu, '\uFFFD').replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

function isHtml(value: Html | readonly HtmlValue[]): value is Html {
  return SAFE in value
}
