/** Padded texts under the names that networks take them by. */
import type { PaddedTexts } from '../../data/tokenBatches.js'
import { ATTENTION, type TextInputName, TOKEN_IDS, TOKEN_TYPES } from '../../models/textInput.js'
import type { HostTensor } from '../../runtime/types.js'
import type { NetworkInput } from '../fineTuning/network.js'

/** @param names the inputs that the network has */
export function textTensors(
  { ids, mask, types }: PaddedTexts,
  length: number,
  names: readonly string[],
): Record<string, HostTensor> {
  const all: Readonly<Record<TextInputName, BigInt64Array<ArrayBuffer>>> = {
    [TOKEN_IDS]: ids,
    [ATTENTION]: mask,
    [TOKEN_TYPES]: types,
  }
  const dims = [ids.length / length, length]
  return Object.fromEntries(
    Object.entries(all)
      .filter(([name]) => names.includes(name))
      .map(([name, data]) => [name, { type: 'int64', dims, data }]),
  )
}

/** What is fed to a network for texts of up to `maxLength` tokens. */
export function textNetworkInputs(names: readonly string[], maxLength: number): NetworkInput[] {
  return names.map((name) => ({ name, type: 'int64', sample: [maxLength] }))
}
