/** Two domains of features: the target's are the source's, stretched and moved. */
import { type Matrix, matrix } from '#graft/base/matrix.js'
import { Random } from '#graft/base/random.js'

export const CLASSES = ['a', 'b', 'c']
const WIDTH = 8

export interface Samples {
  readonly features: Matrix
  readonly labels: Int32Array
}

/** @param shift how far the target is moved, in deviations of a class */
export function shiftedDomains(n: number, shift = 2.2): { source: Samples; target: Samples; heldOut: Samples } {
  const random = new Random(11, 'shifted')
  const centres = Array.from({ length: CLASSES.length }, () => Array.from({ length: WIDTH }, () => 2 * random.normal()))
  const moved = Array.from({ length: WIDTH }, () => shift * random.normal())
  const stretched = Array.from({ length: WIDTH }, (_, j) => (j % 2 === 0 ? 1.5 : 0.8))
  const draw = (name: string, target: boolean): Samples => {
    const own = random.fork(name)
    const features = matrix(n, WIDTH)
    const labels = Int32Array.from({ length: n }, (_, i) => i % CLASSES.length)
    labels.forEach((label, i) => {
      for (let j = 0; j < WIDTH; j++) {
        const value = centres[label]![j]! + own.normal()
        features.data[i * WIDTH + j] = target ? value * stretched[j]! + moved[j]! : value
      }
    })
    return { features, labels }
  }
  return { source: draw('source', false), target: draw('target', true), heldOut: draw('held out', false) }
}
