/**
 * What kind of target a column of labels is, by its values and its name. The reason is said, and how to have it otherwise.
 */
import { plainName } from '../table/columnNames.js'
import type { LabelValue } from './labelColumn.js'
import type { TargetKind } from './options.js'

export interface FoundKind {
  readonly kind: Exclude<TargetKind, 'token-labels'>
  /** What separates several labels in one value. */
  readonly separator?: string
  /** Why, as the end of a sentence: `whole numbers in a column of that name`. */
  readonly why: string
}

/** Names of columns whose numbers go from low to high. */
const ORDERED =
  /(star|rating|score|grade|level|rank|priority|severity|quality|difficulty|overall|satisfaction|likert|stage)/

/** Names of columns whose numbers count classes. */
const NUMBERED =
  /^(label|labels|class|classes|classid|labelid|category|categoryid|intent|intentid|topic|topicid|y|target)$/

/** As many steps as a scale has at most. */
const MOST_STEPS = 11

/** Classes that are called after numbers of stars. */
const STARS = /^\s*[\d.]+[\s-]*stars?\s*$/i

/** @param classNames names of numbered classes that the data gives */
export function kindOfLabels(name: string, values: readonly LabelValue[], classNames?: readonly string[]): FoundKind {
  if (values.some(({ list }) => list !== undefined)) return { kind: 'multi-label', why: 'each value is a list' }
  const separator = separatorOf(values)
  if (separator !== undefined)
    return { kind: 'multi-label', separator, why: `values such as ${example(values, separator)} name several` }
  if (classNames === undefined && values.length > 0 && values.every(({ number }) => number !== undefined))
    return kindOfNumbers(name, values)
  const names = classNames ?? values.map(({ text }) => text)
  if (names.length > 2 && names.length <= MOST_STEPS && names.every((text) => STARS.test(text)))
    return { kind: 'ordinal', why: 'classes are numbers of stars' }
  return { kind: 'single-label', why: classNames === undefined ? 'values are words' : 'the data names its classes' }
}

function kindOfNumbers(name: string, values: readonly LabelValue[]): FoundKind {
  const plain = plainName(name)
  const numbers = [...new Set(values.map(({ number }) => number!))]
  const whole = numbers.every(Number.isInteger)
  const steps = numbers.length
  const [least, most] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))]
  const rows = values.reduce((sum, { count }) => sum + count, 0)
  if (steps <= 2 && whole) return { kind: 'single-label', why: 'there are two whole numbers' }
  const halves = numbers.every((value) => Number.isInteger(2 * value))
  if (steps <= MOST_STEPS && halves && ORDERED.test(plain) && most - least <= MOST_STEPS - 1)
    return { kind: 'ordinal', why: `few steps from ${least} to ${most} in a column of that name` }
  if (whole && !NUMBERED.test(plain) && steps === most - least + 1 && least === 1 && (most === 5 || most === 10))
    return { kind: 'ordinal', why: `whole numbers from 1 to ${most}` }
  const consecutive = whole && (least === 0 || least === 1) && steps === most - least + 1
  if (consecutive && NUMBERED.test(plain) && rows >= 2 * steps)
    return { kind: 'single-label', why: 'whole numbers without gaps in a column of that name' }
  if (whole && steps <= 20 && rows >= 5 * steps) return { kind: 'single-label', why: 'few whole numbers' }
  return { kind: 'number', why: `numbers from ${least} to ${most}` }
}

/**
 * What separates several labels in one value. A bar or a semicolon does where both halves are short; a comma only where most of
 * the parts occur in several values, for classes such as "Food, Drink" have commas too.
 */
export function separatorOf(values: readonly LabelValue[]): string | undefined {
  for (const separator of ['|', ';', ',']) {
    const joined = values.filter(({ text }) => text.includes(separator))
    if (joined.length === 0 || joined.every(({ number }) => number !== undefined)) continue
    const uses = new Map<string, number>()
    for (const { text } of values)
      for (const part of new Set(partsOf(text, separator))) uses.set(part, (uses.get(part) ?? 0) + 1)
    const parts = [...new Set(joined.flatMap(({ text }) => partsOf(text, separator)))]
    const shared = parts.filter((part) => uses.get(part)! > 1).length
    const short = parts.every((part) => part.length <= 60)
    if (!short || parts.length < 2) continue
    if (separator === ',' ? shared > parts.length / 2 && uses.size <= values.length + 1 : shared > 0) return separator
  }
  return undefined
}

/** The labels in a value, without space around them and without empty ones. */
export function partsOf(text: string, separator: string): string[] {
  return text.split(separator).flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
}

function example(values: readonly LabelValue[], separator: string): string {
  return JSON.stringify(values.find(({ text }) => text.includes(separator))!.text.slice(0, 60))
}
