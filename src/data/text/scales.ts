/** Words that name the steps of a scale, from low to high: the order of classes that numbers do not give. */
const SCALES: readonly (readonly string[])[] = [
  ['very negative', 'negative', 'neutral', 'positive', 'very positive'],
  ['very bad', 'bad', 'neutral', 'ok', 'okay', 'good', 'very good', 'excellent'],
  ['terrible', 'poor', 'fair', 'average', 'good', 'great', 'excellent'],
  ['very low', 'low', 'medium', 'high', 'very high'],
  ['none', 'mild', 'moderate', 'severe', 'critical'],
  ['trivial', 'minor', 'major', 'critical', 'blocker'],
  ['strongly disagree', 'disagree', 'neutral', 'agree', 'strongly agree'],
  ['beginner', 'intermediate', 'advanced', 'expert'],
  ['a1', 'a2', 'b1', 'b2', 'c1', 'c2'],
]

/** The classes from low to high: by the number they begin with, or as words of one scale; undefined where neither tells. */
export function lowToHigh(classes: readonly string[]): string[] | undefined {
  const numbers = classes.map((name) => /^\s*([+-]?\d+(\.\d+)?)/.exec(name)?.[1])
  if (numbers.every((number) => number !== undefined) && new Set(numbers).size === numbers.length)
    return [...classes].sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b))
  const plain = (name: string) =>
    name
      .toLowerCase()
      .replace(/[\s_-]+/g, ' ')
      .trim()
  const scale = SCALES.find((steps) => classes.every((name) => steps.includes(plain(name))))
  return scale === undefined
    ? undefined
    : [...classes].sort((a, b) => scale.indexOf(plain(a)) - scale.indexOf(plain(b)))
}
