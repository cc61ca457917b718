/** The findings of an adaptation in the form that the report, the terminal and the model card show. */
import { argmaxRows, row, softmaxRows } from '../../base/matrix.js'
import type { Random } from '../../base/random.js'
import { VERSION } from '../../base/version.js'
import type { CandidateVerdict } from '../../evaluate/choice/index.js'
import type { AdaptationReport, AdaptedRow, ChangedAnswer, TitledMap } from '../../evaluate/report/adaptationData.js'
import type { ReportData, Reproduction } from '../../evaluate/report/data.js'
import { countsAt } from '../training/divide.js'
import { resourcesOf, skippedOf } from '../training/reportParts.js'
import type { Stopwatch } from '../training/stopwatch.js'
import type { AdaptationCandidate } from './candidate.js'
import type { AdaptationVerdict } from './choosing.js'
import { changedShare } from './choosing.js'
import type { Domains } from './domains.js'
import type { Made } from './make.js'
import { techniqueOf } from './output.js'
import type { TargetScores } from './score.js'

export interface Findings {
  readonly domains: Domains
  readonly made: Made
  readonly verdict: AdaptationVerdict
  readonly scores: (TargetScores & { readonly labels: string; readonly others: readonly string[] }) | undefined
  readonly maps: readonly TitledMap[]
  readonly distance: AdaptationReport['distance']
  /** Besides those of the domains. */
  readonly warnings: readonly string[]
  readonly reproduction: Reproduction
  readonly threads: number
  readonly watch: Stopwatch
  readonly random: Random
}

/** Answers that changed and are shown, at most. */
const EXAMPLES = 24

export async function adaptationReport(findings: Findings): Promise<ReportData> {
  const { domains, made, verdict, scores, watch, threads } = findings
  const { sources, target, classes, modality } = domains
  const { candidates } = made
  const baseline = candidates[verdict.baseline]!
  const chosen = candidates[verdict.chosen]!
  const source = sources.map(({ name }) => name).join(' and ')
  const faults = [...sources, target].flatMap(({ data }) => data.skipped.filter(({ kind }) => kind !== 'other-file'))
  const adaptation: AdaptationReport = {
    sources: sources.map(({ name }) => name),
    target: target.name,
    samples: {
      source: sources.reduce((sum, { data }) => sum + data.length, 0),
      target: target.data.length,
    },
    baseline: baseline.title,
    chosen: chosen.title,
    unchanged: chosen === baseline,
    reasons: reasonsOf(candidates, verdict),
    agreement: agreementOf(verdict),
    validators: verdict.choice.validators.columns.map(({ name, title, paper }) => ({ name, title, paper })),
    candidates: candidates.map((candidate, i) => ({
      name: candidate.name,
      title: candidate.title,
      paper: candidate.paper,
      kept: candidate === chosen,
      scores: verdict.scores[i]!,
      ...judgement(verdict.verdicts[i]),
      changed: changedShare(candidate, baseline),
      seconds: candidate.seconds,
      stepMs: candidate.stepMs,
      accuracy: scores?.accuracies[i],
    })),
    failed: made.failed,
    classes: classShares(domains, baseline, chosen, scores),
    changed: await changedAnswers(domains, baseline, chosen),
    maps: findings.maps,
    distance: findings.distance,
    ...(scores && {
      truth: {
        n: scores.n,
        before: scores.accuracies[verdict.baseline]!,
        after: scores.accuracies[verdict.chosen]!,
        difference: scores.difference,
        labels: scores.labels,
        others: scores.others,
      },
    }),
  }
  return {
    title: `${source} → ${target.name}`,
    nouns: modality.nouns,
    summary: `${techniqueOf(chosen)}. Learnt from labelled ${modality.nouns.many} of ${source}, for ${target.name}, whose ${modality.nouns.many} were read without labels.`,
    footer: `graft-ml ${VERSION}`,
    classes,
    ...(scores && { evaluation: { ...scores.evaluation, split: `target (${scores.labels})` } }),
    adaptation,
    resources: resourcesOf(watch, threads),
    warnings: titledWarnings([...domains.warnings, ...findings.warnings]),
    data: {
      source: [...sources, target].map(({ data, name }) => data.origin ?? name).join(', '),
      splits: [
        ...sources.flatMap(({ name, data, train, heldOut }) => [
          { name: `${name}, trains`, counts: countsAt(data.targets, train), total: train.length },
          { name: `${name}, held out`, counts: countsAt(data.targets, heldOut), total: heldOut.length },
        ]),
        { name: `${target.name}, unlabelled`, counts: classes.map(() => 0), total: target.data.length },
      ],
    },
    ...skippedOf(faults),
    reproduction: findings.reproduction,
  }
}

/** What stands before a colon is the title. */
export function titledWarnings(warnings: readonly string[]): NonNullable<ReportData['warnings']> {
  return warnings.map((text) => {
    const end = text.indexOf(': ')
    return end < 0 ? { title: text, detail: '' } : { title: text.slice(0, end), detail: text.slice(end + 2) }
  })
}

/** What was found of a candidate without labels. */
function judgement(verdict: CandidateVerdict | undefined): Pick<AdaptedRow, 'expected' | 'score' | 'doubts'> {
  if (verdict?.evidence === undefined) return { doubts: verdict?.reasons ?? [] }
  const { gains, score, interval } = verdict.evidence
  const values = Object.values(gains)
  return {
    expected: { low: Math.min(...values), high: Math.max(...values) },
    score: { value: score, ...interval },
    doubts: verdict.reasons,
  }
}

/** How the choice came about, candidates by their titles. */
export function reasonsOf(candidates: readonly AdaptationCandidate[], { choice }: AdaptationVerdict): string[] {
  const { why, chosen, shift } = choice
  const title = candidates.find(({ name }) => name === chosen)?.title ?? chosen
  const told = why.startsWith(`${chosen} `) ? `${title}${why.slice(chosen.length)}` : why
  if (shift === undefined) return [told]
  const { found, mmd, energy } = shift
  const p = `MMD p ${mmd.pValue.toFixed(3)}, energy test p ${energy.pValue.toFixed(3)}`
  return [told, `Source and target ${found ? 'differ' : 'do not differ'} by more than chance (${p}).`]
}

function agreementOf({ choice: { validators, chosen } }: AdaptationVerdict): string {
  const { agreement, warning, columns } = validators
  const first = columns.filter(({ best }) => best === chosen).length
  const counted = `${first} of ${columns.length} validators put the kept model first.`
  if (warning !== undefined) return `${warning} ${counted}`
  return agreement === undefined
    ? counted
    : `The validators agree fairly (Kendall's W ${agreement.toFixed(2)}). ${counted}`
}

function classShares(
  { sources, classes }: Domains,
  baseline: AdaptationCandidate,
  chosen: AdaptationCandidate,
  scores: Findings['scores'],
): AdaptationReport['classes'] {
  const counts = classes.map(() => 0)
  let known = 0
  for (const { labels } of sources)
    for (const label of labels)
      if (label >= 0) {
        counts[label]!++
        known++
      }
  const shares = (candidate: AdaptationCandidate) => {
    const answers = argmaxRows(candidate.target.logits)
    return classes.map((_, k) => answers.filter((answer) => answer === k).length / Math.max(1, answers.length))
  }
  const [before, after] = [shares(baseline), shares(chosen)]
  return classes.map((_, k) => ({
    source: counts[k]! / Math.max(1, known),
    before: before[k]!,
    after: after[k]!,
    truth: scores?.shares[k],
  }))
}

/** The surest of the new answers come first. */
async function changedAnswers(
  { target }: Domains,
  baseline: AdaptationCandidate,
  chosen: AdaptationCandidate,
): Promise<AdaptationReport['changed']> {
  const [before, after] = [argmaxRows(baseline.target.logits), argmaxRows(chosen.target.logits)]
  const probabilities = softmaxRows(chosen.target.logits)
  const found = Array.from(after.keys())
    .filter((i) => before[i] !== after[i])
    .map((i) => ({ position: i, before: before[i]!, after: after[i]!, confidence: row(probabilities, i)[after[i]!]! }))
    .sort((a, b) => b.confidence - a.confidence || a.position - b.position)
  const examples: ChangedAnswer[] = []
  for (const { position, ...rest } of found.slice(0, EXAMPLES)) {
    const picture = await target.feed.example(position).catch(() => ({ name: target.data.idOf(position) }))
    examples.push({ ...picture, ...rest })
  }
  return { count: found.length, n: target.data.length, examples }
}
