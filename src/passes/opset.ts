/** Which operator sets are read. */
import { GraftError } from '../base/errors.js'

/** Oldest opset read: from 7 on, broadcasting is NumPy's. */
export const OLDEST_OPSET = 7
export const NEWEST_OPSET = 26

export function checkOpset(opset: number, what: string): void {
  if (opset < OLDEST_OPSET || opset > NEWEST_OPSET)
    throw new GraftError(`${what} uses opset ${opset}; Graft reads ${OLDEST_OPSET} to ${NEWEST_OPSET}.`, {
      remedy:
        opset < OLDEST_OPSET
          ? 'Convert it, for example with onnx.version_converter.convert_version(model, 17), or export it with opset 17.'
          : `Export it with opset ${NEWEST_OPSET} or lower, or update graft-ml.`,
    })
}
