/** A backbone for texts made ready: its tokenizer, the point where its features are taken, and its layers by depth. */
import type { Targets } from '../../data/targets.js'
import { cut } from '../../models/attach.js'
import { findBlocks } from '../../models/blocks.js'
import {
  resolveTextBackbone,
  type TextBackbone,
  type TextBackboneOptions,
  type TextPoint,
  textPoint,
} from '../../models/textBackbone.js'
import { textNetworkInputs } from '../../techniques/texts/inputs.js'
import { chooseMethods } from '../training/methods/table.js'
import type { Trunk } from '../training/modality.js'

export interface TextTrunk extends Trunk {
  readonly backbone: TextBackbone
  readonly point: TextPoint
}

/** For one row of features a text; {@link forTargets} makes it one a token. */
export async function openTrunk(
  spec: string,
  { methods = [], ...options }: TextBackboneOptions & { readonly methods?: readonly string[] | undefined },
): Promise<TextTrunk> {
  const found = await resolveTextBackbone(spec, options)
  // What a method puts in front of the text counts towards the network's limit.
  const reserved = chooseMethods(methods).adapter?.method.reservedTokens ?? 0
  const backbone = reserved === 0 ? found : { ...found, maxLength: found.maxLength - reserved }
  return trunkAt(backbone, textPoint(backbone))
}

/** The trunk as these targets need it: where words have labels, each token has features of its own. */
export function forTargets(trunk: TextTrunk, kind: Targets['kind']): TextTrunk {
  return kind === 'token-labels' ? trunkAt(trunk.backbone, textPoint(trunk.backbone, 'tokens')) : trunk
}

function trunkAt(backbone: TextBackbone, point: TextPoint): TextTrunk {
  const body = cut(backbone.model, point)
  const names = body.model.graph.inputs.map((input) => input.name)
  return {
    backbone,
    inputs: textNetworkInputs(names, backbone.maxLength),
    point,
    blocks: findBlocks(backbone.model, point.features),
    body,
  }
}
