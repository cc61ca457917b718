/** What a parameter-efficient method is: a value that says which weights it touches and how it changes the graph. */
import { GraftError } from '../../base/errors.js'
import type { Random } from '../../base/random.js'
import { toFloat32 } from '../../graph/convert.js'
import type { Node } from '../../graph/graph.js'
import type { Tensor } from '../../graph/tensor.js'
import type { Layer } from './layers.js'
import type { Surgery } from './surgery.js'
import type { NetworkView } from './view.js'

export type MethodName =
  | 'lora'
  | 'rslora'
  | 'dora'
  | 'ia3'
  | 'houlsby'
  | 'bitfit'
  | 'norm-tuning'
  | 'prompt-tuning'
  | 'prefix-tuning'

/** Made by a factory (`lora({ rank: 8 })`), handed to `applyAdapter`. */
export interface AdapterMethod {
  readonly name: MethodName
  /** All options with their defaults, as plain data: what a record of the run keeps. */
  readonly options: Readonly<Record<string, unknown>>
  /** Tokens of the input's limit that the method uses up: texts must be cut that much shorter. @default 0 */
  readonly reservedTokens?: number
  /**
   * The stored weights (`Parameter.value`) that change when the adapter is merged; none where it is not merged.
   *
   * @throws UsageError where a pattern matches nothing; GraftError where the network has no place for the method
   */
  touches(view: NetworkView): readonly string[]
  build(job: AdapterJob): BuiltAdapter
}

export interface AdapterJob {
  readonly view: NetworkView
  readonly surgery: Surgery
  readonly random: Random
  /** Shapes of the graph's inputs for methods that need to know the network's inner shapes. */
  readonly shapes: Readonly<Record<string, readonly number[]>> | undefined
}

/** Weights by name, as training gives them. */
export type Weights = ReadonlyMap<string, Tensor>

export interface BuiltAdapter {
  /** Where it stands, for methods that stand on layers. */
  readonly sites?: readonly AdapterSite[]
  /** Parameters of the network itself that train, with a node that reads each. */
  readonly own?: ReadonlyMap<string, Node | undefined>
  /** The original's weights with the adapter in them; absent where that is impossible. */
  readonly fold?: (weights: Weights) => Map<string, Tensor>
  /** Whether the file's word on intermediate shapes no longer holds. */
  readonly reshapes?: boolean
}

/** One adapter on one weight, which several layers of the graph may share. */
export interface AdapterSite {
  /** The first layer that reads the weight. */
  readonly layer: Layer
  /** Names of its parameters in the graph by what PEFT calls them: lora_A, lora_B, lora_magnitude_vector, ia3_l. */
  readonly parameters: Readonly<Record<string, string>>
  /** IA3: it scales the layer's input, not its output. */
  readonly feedForward?: boolean
}

/** The numbers of a stored tensor as float32. */
export function floatsOf(tensor: Tensor): Float32Array {
  return toFloat32(tensor).data as Float32Array
}

/** @throws GraftError where the weight is not among those that were trained */
export function trainedFloats(weights: Weights, name: string): Float32Array {
  const tensor = weights.get(name)
  if (tensor === undefined)
    throw new GraftError(`The adapter's weight "${name}" is missing.`, {
      remedy: 'Give all parameters of the adapter that are listed in `trainable`.',
    })
  return floatsOf(tensor)
}
