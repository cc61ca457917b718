/**
 * Convolutions of well-known shapes, forward and backward, one at a time: what each gradient's lowering costs against the
 * arithmetic it stands for. 2 N K H' W' (C / groups) k k operations each way.
 */
import { performance } from 'node:perf_hooks'
import { differentiate } from '#graft/autodiff/differentiate.js'
import { Random } from '#graft/base/random.js'
import { attr } from '#graft/graph/graph.js'
import { sizeOf } from '#graft/graph/tensor.js'
import { GraphBuilder } from '#graft/ops/builder.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { floats, type HostTensor } from '#graft/runtime/types.js'
import { type BenchSettings, tell } from './support/settings.js'
import { machine, renderTable, spread } from './support/table.js'

interface Shape {
  readonly name: string
  readonly channels: number
  readonly out: number
  readonly size: number
  readonly kernel: number
  readonly stride?: number
  readonly groups?: number
}

const SHAPES: readonly Shape[] = [
  { name: '3x3, 64@56', channels: 64, out: 64, size: 56, kernel: 3 },
  { name: '3x3, 128@28', channels: 128, out: 128, size: 28, kernel: 3 },
  { name: '3x3, 256@14', channels: 256, out: 256, size: 14, kernel: 3 },
  { name: '3x3, 512@7', channels: 512, out: 512, size: 7, kernel: 3 },
  { name: '3x3 / 2, 64@56', channels: 64, out: 128, size: 56, kernel: 3, stride: 2 },
  { name: '7x7 / 2, 3@224', channels: 3, out: 64, size: 224, kernel: 7, stride: 2 },
  { name: '1x1, 96@56', channels: 96, out: 24, size: 56, kernel: 1 },
  { name: '1x1, 192@14', channels: 192, out: 1152, size: 14, kernel: 1 },
  { name: 'depthwise 3x3, 144@56', channels: 144, out: 144, size: 56, kernel: 3, groups: 144 },
  { name: 'depthwise 5x5, 240@28', channels: 240, out: 240, size: 28, kernel: 5, groups: 240 },
  { name: 'depthwise 3x3 / 2, 96@112', channels: 96, out: 96, size: 112, kernel: 3, stride: 2, groups: 96 },
]

type Part = 'forward' | 'input gradient' | 'weight gradient'
const PARTS: readonly Part[] = ['forward', 'input gradient', 'weight gradient']

export async function benchOperators(settings: BenchSettings): Promise<void> {
  const { batch, steps, threads } = settings
  const engine = await openEngine({ threads })
  const rows: string[][] = []
  try {
    for (const shape of SHAPES) {
      tell(`operators: ${shape.name}`)
      const cells = [shape.name]
      for (const part of PARTS) {
        const { milliseconds, operations } = await time(engine, shape, part, batch, steps)
        cells.push(`${milliseconds.toFixed(1)} (${(operations / milliseconds / 1e6).toPrecision(2)})`)
      }
      rows.push(cells)
    }
  } finally {
    await engine.close()
  }
  console.log(`Convolutions, batch ${batch} (${machine(threads)}); least milliseconds (GFLOP/s)\n`)
  console.log(renderTable(['convolution', ...PARTS], rows, settings.markdown))
}

/** The result is reduced to one number in the graph, so that handing it over costs nothing. */
async function time(
  engine: Engine,
  shape: Shape,
  part: Part,
  batch: number,
  steps: number,
): Promise<{ milliseconds: number; operations: number }> {
  const { channels, out, size, kernel, stride = 1, groups = 1 } = shape
  const g = new GraphBuilder('convolution')
  const pad = kernel >> 1
  const x = g.input('x', { type: 'float32', shape: [batch, channels, size, size] })
  const w = g.input('w', { type: 'float32', shape: [out, channels / groups, kernel, kernel] })
  const y = g.op('Conv', [x, w], {
    kernel_shape: attr.ints([kernel, kernel]),
    strides: attr.ints([stride, stride]),
    pads: attr.ints([pad, pad, pad, pad]),
    group: attr.int(groups),
  })
  const random = new Random(0, shape.name)
  const feeds: Record<string, HostTensor> = {}
  const feed = (name: string) => {
    const dims = g.shape(name)
    feeds[name] = floats(
      dims,
      Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
    )
  }
  let result = y
  if (part !== 'forward') {
    const cotangent = g.input('dy', { type: 'float32', shape: g.shape(y) })
    const of = part === 'input gradient' ? x : w
    result = differentiate(g, new Map([[y, cotangent]]), [of]).get(of)!
  }
  g.output('sum', g.op('ReduceSum', [result], { keepdims: attr.int(0) }))
  const model = g.model()
  for (const { name } of model.graph.inputs) feed(name)
  const state = model.graph.inputs.map(({ name }) => ({ name: `${shape.name} ${part} ${name}`, input: name }))
  await engine.setState(Object.fromEntries(state.map(({ name, input }) => [name, feeds[input]!])))
  const program = await engine.load({ model, state })
  const times: number[] = []
  for (let i = 0; i <= steps; i++) {
    const started = performance.now()
    await program.run({})
    if (i > 0) times.push(performance.now() - started)
  }
  await program.release()
  return { milliseconds: spread(times).min, operations: 2 * sizeOf(g.shape(y)) * (channels / groups) * kernel * kernel }
}
