/** What `graft inspect` shows to a person. */
import { counted, grouped, size } from '../evaluate/format.js'
import { visible } from '../evaluate/summary.js'
import type { FileInspection } from '../tasks/inspect.js'
import { table } from './table.js'

export function inspectionLines(found: FileInspection, all: boolean): string[] {
  const shape = (s: readonly unknown[] | undefined) =>
    s ? `(${s.map((d) => d ?? '?').join(', ')})` : '(unknown shape)'
  const value = (v: FileInspection['inputs'][number]) => `${visible(v.name)} ${v.type} ${shape(v.shape)}`
  const operators = found.operators.map((o) => `${o.operator} ${o.count}`).join(', ')
  const lines = [
    `${visible(found.path)} (${size(found.fileBytes)})`,
    `  opset ${found.opset}, IR ${found.irVersion}${found.producer === '' ? '' : `, from ${visible(found.producer)}`}`,
    `Inputs: ${found.inputs.map(value).join('; ')}`,
    `Outputs: ${found.outputs.map(value).join('; ')}`,
    `Parameters: ${grouped(found.parameters.numbers)} numbers in ${counted(found.parameters.tensors, 'tensor')}, ${size(found.parameters.bytes)}; batch norm ${found.batchNorm}`,
    `Operators: ${operators}`,
    `Head: ${visible(found.head.why)}`,
    `  features "${visible(found.head.features)}"${found.head.width === undefined ? '' : `, ${found.head.width} wide`}${found.head.classes === undefined ? '' : `; ${found.head.classes} classes`}`,
    `What can train: ${visible(found.trainable)}`,
    '',
  ]
  const rows = found.blocks.map((b) => [
    b.name,
    b.trains ? 'trains' : 'fixed',
    counted(b.nodes, 'node'),
    grouped(b.parameters),
    visible(b.output),
    ...(all ? [visible(b.hint)] : []),
  ])
  lines.push(...table([['block', '', '', 'parameters', 'ends in', ...(all ? ['named'] : [])], ...rows]))
  const problems = found.operators.filter((o) => o.support === 'unknown' || o.support === 'refuse')
  if (problems.length > 0) lines.push('', 'Refused:')
  for (const o of problems) lines.push(`  ${o.operator} (${counted(o.count, 'node')}): ${o.reason ?? 'no gradient'}`)
  lines.push('', ...(found.texts === undefined ? photoLines(found.image) : textLines(found.texts)))
  return lines
}

function photoLines(image: FileInspection['image']): string[] {
  if (!image.usable) return [`Not usable as a backbone for photos: ${visible(image.why)}`]
  return ['Usable as a backbone for photos.', ...image.notes.map((note) => `  ${visible(note)}`)]
}

const POOLED = { mean: 'the mean of its tokens', cls: 'its first token', last: 'its last token' } as const

function textLines(texts: NonNullable<FileInspection['texts']>): string[] {
  if (!texts.usable) return [`Not usable as a backbone for texts: ${visible(texts.why)}`]
  const { tokenizer, pooling, normalise, maxLength } = texts
  const vector = pooling === undefined ? 'made by the network itself' : POOLED[pooling]
  return [
    `Usable as a backbone for texts of up to ${counted(maxLength, 'token')}.`,
    `  tokenizer: ${tokenizer.kind}, ${grouped(tokenizer.size)} tokens`,
    `  a text's vector: ${vector}${normalise ? ', divided by its length where its makers use it' : ''}`,
    ...texts.notes.map((note) => `  ${visible(note)}`),
  ]
}
