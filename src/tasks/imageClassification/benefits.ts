import type { Benefits } from '../../evaluate/report/data.js'
import type { Model } from '../../graph/graph.js'
import type { Choice } from './choose.js'
import type { Judged } from './judge.js'
import type { Workspace } from './workspace.js'

export async function measureBenefits(
  _work: Workspace,
  _choice: Choice,
  _model: Model,
  _judged: Judged,
): Promise<Benefits> {
  return {}
}
