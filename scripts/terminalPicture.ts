/**
 * Draws what a command printed as a terminal window in SVG, for the README:
 * `node build/scripts/terminalPicture.js 'npx graft-ml train ./photos' < printed.txt > docs/images/terminal.svg`.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const SIZE = 13
const LINE = 18
/** Width of a character in the usual monospaced faces, as a part of its height. */
const ADVANCE = 0.602
/** Characters a line, as in the terminal that is drawn; longer lines go on in the next. */
const COLUMNS = 100
const MARGIN = 18
const BAR = 30

/** @param text what was printed, without control codes */
export function terminalPicture(command: string, text: string): string {
  const lines = [`$ ${command}`, ...text.trimEnd().split('\n').flatMap(wrapped)]
  const width = Math.ceil(COLUMNS * SIZE * ADVANCE) + 2 * MARGIN
  const height = BAR + lines.length * LINE + MARGIN
  const buttons = ['#ff5f57', '#febc2e', '#28c840'].map(
    (colour, i) => `<circle cx="${MARGIN + 3 + i * 18}" cy="16" r="5.5" fill="${colour}"/>`,
  )
  const rows = lines.map((line, i) => {
    const y = BAR + (i + 1) * LINE
    const colour = i === 0 ? ' fill="#7ee787"' : line.startsWith('  ') ? ' fill="#9da7b3"' : ''
    return `<text x="${MARGIN}" y="${y}"${colour}>${escaped(line)}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="${width}" height="${height}" rx="9" fill="#161b22"/>`,
    ...buttons,
    `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="${SIZE}" fill="#e6edf3">`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

/** Broken between words, going on under the beginning. */
function wrapped(line: string): string[] {
  if (line.length <= COLUMNS) return [line]
  const at = line.lastIndexOf(' ', COLUMNS)
  const indent = /^ */.exec(line)?.[0] ?? ''
  if (at <= indent.length) return [line]
  return [line.slice(0, at), ...wrapped(`${indent}${line.slice(at + 1)}`)]
}

function escaped(text: string): string {
  const marked = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  // Spaces in a row would become one.
  return marked.replaceAll(' ', '\u00a0')
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename)
  process.stdout.write(terminalPicture(process.argv[2] ?? 'graft', readFileSync(0, 'utf8')))
