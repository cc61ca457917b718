/**
 * The path of a PyTorch module in the names that its export left: `encoder.layer.0.attention.self.query`. Exporters keep the
 * names of biases and nodes where they rename the weights that they transpose (`onnx::MatMul_541`).
 */

/** What exporters call values that have no name of their own. */
const MADE_UP = /^(onnx::|val_\d|_?node_|Constant|const|[A-Z][A-Za-z]*_\d+$)|_output_\d+$/

/**
 * @param weight, bias what the stored tensors are called, node what the node is
 * @returns undefined where none of them tells it
 */
export function modulePath(weight: string, bias: string | undefined, node: string): string | undefined {
  return fromTensor(weight, 'weight') ?? fromTensor(bias, 'bias') ?? fromNode(node)
}

function fromTensor(name: string | undefined, what: 'weight' | 'bias'): string | undefined {
  if (name === undefined || MADE_UP.test(name) || !name.endsWith(`.${what}`)) return undefined
  const path = name.slice(0, -what.length - 1)
  return isPath(path) ? path : undefined
}

/** `/encoder/layer.0/attention/self/query/MatMul`: what encloses a node, from the outside in, and its operator. */
function fromNode(name: string): string | undefined {
  if (MADE_UP.test(name)) return undefined
  const parts = name.split('/').filter((part) => part !== '')
  if (parts.length < 2) return undefined
  const path: string[] = []
  for (const part of parts.slice(0, -1)) {
    // A module in a list is called with the list's name: `/layer1/layer1.0/conv1`.
    if (path.length > 0 && part.startsWith(`${path.at(-1)}.`)) path.pop()
    path.push(part)
  }
  const joined = path.join('.')
  return isPath(joined) ? joined : undefined
}

/** Names of modules, joined by points. */
const isPath = (path: string): boolean => path.split('.').every((part) => /^[A-Za-z_0-9]+$/.test(part))
