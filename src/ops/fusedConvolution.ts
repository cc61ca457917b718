/** onnxruntime's convolutions with a sum and an activation fused in, written out again. */
import { type Attribute, attr, stringAttribute } from '../graph/graph.js'
import { transpose } from './emit.js'
import { expanded, type Operator, type UpgradeContext } from './operator.js'
import { explicitWindow } from './window.js'

/** The attributes that activation_params stand for, in their order. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  Relu: [],
  Tanh: [],
  Sigmoid: [],
  HardSwish: [],
  LeakyRelu: ['alpha'],
  HardSigmoid: ['alpha', 'beta'],
}

function activated(c: UpgradeContext, value: string): string {
  const name = stringAttribute(c.node, 'activation', '')
  const given = c.node.attributes.get('activation_params')
  const numbers = given?.kind === 'floats' ? given.value : []
  if (name === '') return value
  if (name === 'Clip') {
    const [low, high] = numbers
    if (low === undefined || high === undefined) return c.refuse('clips without two bounds in activation_params')
    return c.g.op('Clip', [value, c.g.float(low), c.g.float(high)])
  }
  const names = PARAMETERS[name]
  if (!names) return c.refuse(`has the activation "${name}", which onnxruntime's ${c.node.opType} does not compute`)
  const attributes: Record<string, Attribute> = {}
  names.forEach((key, i) => {
    const number = numbers[i]
    if (number !== undefined) attributes[key] = attr.float(number)
  })
  return c.g.op(name, [value], attributes)
}

/** activation(Conv(x, w, bias) + z), channels after the batch. */
function convolved(c: UpgradeContext, x: string, z: string): string {
  const { g } = c
  const [, w, bias = ''] = c.inputs as [string, string, string?]
  const { activation: _name, activation_params: _numbers, ...rest } = c.attributes()
  const shape = g.shape(w).slice(2)
  const window = explicitWindow({ ...c, attributes: () => rest }, shape, g.shape(x).slice(2))
  const y = g.op('Conv', [x, w, bias], window)
  return activated(c, z === '' ? y : g.op('Add', [y, z]))
}

/** The same with channels last; the weight is as Conv's. */
function channelsLast(c: UpgradeContext): readonly string[] {
  const { g } = c
  const rank = g.shape(c.inputs[0] as string).length
  const inner = Array.from({ length: rank - 2 }, (_, i) => i + 1)
  const toFirst = (value: string) => (value === '' ? '' : transpose(g, value, [0, rank - 1, ...inner]))
  const y = convolved(c, toFirst(c.inputs[0] as string), toFirst(c.inputs[3] ?? ''))
  return [transpose(g, y, [0, ...inner.map((axis) => axis + 1), 1])]
}

export const microsoftConvolutions = {
  FusedConv: expanded('Conv, Add and the activation', (c) => [convolved(c, c.inputs[0] as string, c.inputs[3] ?? '')]),
  NhwcFusedConv: expanded('Transpose, Conv, Add and the activation', channelsLast),
} as const satisfies Record<string, Operator>
