/** Model soups: the average of several trainings of one network, which costs no more than one of them. */
import type { Evaluate, Weights } from '../method.js'
import type { Score } from '../objective.js'
import { mixWeights } from './mixWeights.js'

/**
 * The mean of all (Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
 * increasing inference time", arXiv:2203.05482). They must come from one start, head included.
 */
export function uniformSoup(members: readonly Weights[]): Weights {
  return mixWeights(
    members,
    members.map(() => 1 / members.length),
  )
}

export interface Soup {
  readonly weights: Weights
  /** Positions of the members that are in it, the best first. */
  readonly members: readonly number[]
  readonly score: Score
}

/**
 * The greedy soup of the same paper: from the best member down, each is put in where the mean with it is no worse on the held-out
 * samples. Never worse there than the best member.
 *
 * @param evaluate judges weights by held-out samples: `evaluateOn`
 */
export async function greedySoup(members: readonly Weights[], evaluate: Evaluate): Promise<Soup> {
  const alone: { position: number; score: Score }[] = []
  for (const [position, weights] of members.entries()) alone.push({ position, score: (await evaluate(weights)).score })
  alone.sort((a, b) => b.score.value - a.score.value || a.score.loss - b.score.loss || a.position - b.position)
  let soup: Soup | undefined
  for (const { position, score } of alone) {
    if (soup === undefined) {
      soup = { weights: members[position]!, members: [position], score }
      continue
    }
    const chosen = [...soup.members, position]
    const weights = uniformSoup(chosen.map((i) => members[i]!))
    const found = (await evaluate(weights)).score
    if (found.value >= soup.score.value) soup = { weights, members: chosen, score: found }
  }
  // mixWeights says what is wrong with no members at all.
  return (
    soup ?? { weights: uniformSoup(members), members: [], score: { loss: Number.NaN, value: Number.NaN, figures: {} } }
  )
}
