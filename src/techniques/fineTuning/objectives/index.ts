/** Which objective follows from which targets. */
import { UsageError } from '../../../base/errors.js'
import type { AnyTargets, Targets } from '../../../data/targets.js'
import type { Objective, ObjectiveSettings } from '../objective.js'
import { multiLabel } from './multiLabel.js'
import { number } from './number.js'
import { ordinal } from './ordinal.js'
import { singleLabel } from './singleLabel.js'
import { severalTasks } from './tasks.js'
import { tokenLabels } from './tokenLabels.js'

/**
 * The objective for these training targets; class weights and the scale of a number are taken from them.
 *
 * single-label: softmax cross-entropy. multi-label: binary cross-entropy. number: Huber's loss or the squared error of the
 * standardised number. ordinal: softmax cross-entropy plus the squared earth mover's distance. token-labels: softmax
 * cross-entropy, mean over the labelled words. tasks: the sum of the tasks' own losses; class weights and label smoothing go to
 * those of them that have classes.
 *
 * @throws UsageError where a setting has no meaning for such targets
 */
export function objectiveFor(targets: AnyTargets, settings: ObjectiveSettings): Objective {
  if (targets.kind === 'tasks') {
    if (settings.balancedSampling)
      throw new UsageError('Balanced sampling draws every class of one task equally often; there are several tasks.', {
        remedy: 'Leave balanced sampling out; class weights can be had for several tasks.',
      })
    const plain = { ...settings, classWeights: false, labelSmoothing: 0 }
    return severalTasks(targets, (task) =>
      objectiveFor(task.targets, task.targets.kind === 'number' ? plain : settings),
    )
  }
  const hasClasses = targets.kind === 'single-label' || targets.kind === 'ordinal'
  if (settings.balancedSampling && !hasClasses)
    throw new UsageError(`Balanced sampling draws every class equally often; ${SAYS[targets.kind]}.`, {
      remedy: 'Leave balanced sampling out.',
    })
  if (settings.classWeights && targets.kind === 'number')
    throw new UsageError(`Class weights need classes; ${SAYS.number}.`, { remedy: 'Leave class weights out.' })
  if (settings.labelSmoothing > 0 && targets.kind === 'number')
    throw new UsageError(`Label smoothing needs classes; ${SAYS.number}.`, { remedy: 'Leave label smoothing out.' })
  switch (targets.kind) {
    case 'single-label':
      return singleLabel(targets, settings)
    case 'multi-label':
      return multiLabel(targets, settings)
    case 'number':
      return number(targets, settings)
    case 'ordinal':
      return ordinal(targets, settings)
    case 'token-labels':
      return tokenLabels(targets, settings)
  }
}

const SAYS: Readonly<Record<Targets['kind'], string>> = {
  'single-label': 'these samples have one class each',
  ordinal: 'these samples have one class each',
  'multi-label': 'these samples have several labels each',
  number: 'these samples have a number each',
  'token-labels': 'these samples have a class a word',
}
