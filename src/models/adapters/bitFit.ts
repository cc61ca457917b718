/**
 * BitFit (Ben Zaken et al. 2021, https://arxiv.org/abs/2106.10199): only biases train, those of normalisations too. A bias
 * is what is added to a layer's product, told by where it is read; the head's is left to the head.
 */
import { GraftError } from '../../base/errors.js'
import type { Node } from '../../graph/graph.js'
import type { ParameterRole } from '../parameters.js'
import type { AdapterMethod } from './method.js'
import type { NetworkView } from './view.js'

export function bitFit(): AdapterMethod {
  return ownParameters('bitfit', ['bias', 'norm shift'], 'bias')
}

/** A method that trains parameters of the network itself, by their roles. */
export function ownParameters(
  name: 'bitfit' | 'norm-tuning',
  roles: readonly ParameterRole[],
  what: string,
): AdapterMethod {
  const chosen = (view: NetworkView): Map<string, Node | undefined> => {
    const found = view.parameters.filter(
      ({ role, readBy }) => roles.includes(role) && !readBy.every((node) => view.head.has(node)),
    )
    if (found.length === 0)
      throw new GraftError(`The network has no ${what} outside its head that could train.`, {
        remedy: 'It may be folded into other weights; take LoRA, or fine-tune all parameters.',
      })
    return new Map(found.map(({ value, readBy }) => [value, readBy[0]]))
  }
  return {
    name,
    options: {},
    touches: (view) => [...chosen(view).keys()],
    build: ({ view }) => ({
      own: chosen(view),
      fold: (weights) =>
        new Map(
          [...chosen(view).keys()].flatMap((parameter) => {
            const tensor = weights.get(parameter)
            return tensor ? [[parameter, tensor]] : []
          }),
        ),
    }),
  }
}
