/** graft backbones */
import type { z } from 'zod'
import { size } from '../../evaluate/format.js'
import type { ListedBackbone } from '../../tasks/backbones.js'
import type { backbonesSchema } from '../../tasks/backbonesSchema.js'
import type { CommandContext } from '../context.js'
import { table } from '../table.js'

export async function run(options: z.output<typeof backbonesSchema>, { output }: CommandContext): Promise<number> {
  const { listBackbones } = await import('../../tasks/backbones.js')
  const found = await listBackbones(options)
  output.object(found)
  const { bundled, recommended, cache } = found
  const show = (title: string, rows: readonly (readonly string[])[]) => {
    output.line(title, 'heading')
    for (const line of table(rows, 4)) output.line(`  ${line}`)
    output.line('', 'blank')
  }
  show('Bundled', [HEADER, ...bundled.map(row)])
  for (const [kind, what] of [
    ['image', 'photos'],
    ['text', 'texts'],
  ] as const) {
    const entries = recommended.filter((entry) => entry.kind === kind)
    const rows = entries.map((entry) => [...row(entry), entry.stored === undefined ? '' : size(entry.stored)])
    if (rows.length > 0) show(`On the Hub, for ${what}`, [[...HEADER, 'stored'], ...rows])
  }
  output.line(`The Hub's cache, ${cache.folder}: ${size(cache.bytes)}`)
  for (const { repo, bytes } of cache.others) output.line(`  ${repo}: ${size(bytes)}`)
  output.line('Name one with --backbone; any other ONNX model of the Hub, a folder or an .onnx file will do as well.')
  return 0
}

const HEADER = ['name', 'task', 'language', 'licence', 'size']

function row({ name, task, language, licence, bytes }: ListedBackbone): string[] {
  return [name, task ?? '', language ?? '', licence ?? '', size(bytes)]
}
