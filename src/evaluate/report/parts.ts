/** Pieces that several sections share: sections, figures, tables, pictures. */
import type { Picture } from './data.js'
import { type Html, type HtmlValue, html, trusted } from './html.js'

/** A numbered-by-order section of the report. */
export interface Section {
  /** Anchor; letters and hyphens. */
  readonly id: string
  readonly title: string
  readonly body: Html
}

export function section(id: string, title: string, body: Html): Section {
  return { id, title, body }
}

/** A user's text, kept from turning its surroundings around where it is written right to left. */
export function named(text: string): Html {
  return html`<bdi>${text}</bdi>`
}

/** A class's name by its index. */
export function className(classes: readonly string[], k: number): Html {
  return named(classes[k] ?? `class ${k}`)
}

/** A chart with its caption and, folded away, the numbers behind it. */
export function figure(svg: string, caption: HtmlValue, numbers?: Html): Html {
  return html`<figure>${trusted(svg)}<figcaption>${caption}${numbers && html`<details class="numbers"><summary>The numbers</summary>${numbers}</details>`}</figcaption></figure>`
}

export interface Column<Row> {
  readonly title: HtmlValue
  readonly cell: (row: Row, index: number) => HtmlValue
  /** Right-aligned figures. Default false. */
  readonly numeric?: boolean
}

/** A table that scrolls by itself where it is wider than the page. The first column heads its row. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], caption?: HtmlValue): Html {
  const kind = (column: Column<Row>) => column.numeric && trusted(' class="number"')
  return html`<div class="scroll"><table>${caption && html`<caption>${caption}</caption>`}
<thead><tr>${columns.map((column) => html`<th scope="col"${kind(column)}>${column.title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row, i) => html`<tr>${columns.map((column, c) =>
      c === 0
        ? html`<th scope="row"${kind(column)}>${column.cell(row, i)}</th>`
        : html`<td${kind(column)}>${column.cell(row, i)}</td>`,
    )}</tr>
`,
  )}</tbody></table></div>`
}

const PICTURE = /^data:image\/(?:jpeg|png|webp|avif|gif);base64,[A-Za-z0-9+/]+={0,2}$/

/** Samples side by side, or texts one below the other, each with what is said of it. */
export function examples(items: readonly { readonly picture: Picture; readonly caption?: Html }[]): Html {
  if (items.some(({ picture: one }) => one.text !== undefined))
    return html`<ul class="snippets">${items.map(({ picture: one, caption }) => snippet(one, caption))}</ul>`
  return html`<div class="pictures">${items.map(({ picture: one, caption }) => picture(one.name, one.thumbnail, caption))}</div>`
}

/** A text with its words marked by what they speak for, where that was measured. */
function snippet({ name, text = '', pieces }: Picture, caption: HtmlValue): Html {
  const words =
    pieces === undefined
      ? html`${text}`
      : html`${pieces.map(({ text: piece, weight }) => {
          const share = Math.round(100 * Math.min(1, Math.abs(weight)))
          if (share < 15) return html`${piece}`
          return html`<mark class="${weight > 0 ? 'for' : 'against'}" style="${trusted(`--weight:${share}%`)}">${piece}</mark>`
        })}`
  return html`<li><p class="snippet" dir="auto">${words}</p><p class="about">${caption} <span class="file">${named(name)}</span></p></li>
`
}

/** A photo's thumbnail with its name; only the name where there is no usable thumbnail. */
function picture(name: string, thumbnail: string | undefined, text?: HtmlValue): Html {
  const image =
    thumbnail !== undefined && PICTURE.test(thumbnail)
      ? html`<img src="${thumbnail}" alt="${name}" title="${name}" loading="lazy" decoding="async">`
      : html`<span class="no-picture" title="${name}">no picture</span>`
  return html`<figure class="picture">${image}<figcaption>${text}<span class="file">${named(fileName(name))}</span></figcaption></figure>`
}

/** The last part of a path, for either kind of slash. */
function fileName(path: string): string {
  return path.split(/[\\/]/).findLast((part) => part !== '') ?? path
}
