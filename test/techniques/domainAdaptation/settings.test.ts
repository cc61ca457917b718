/** Partial and open sets, several sources, a few labels: where the plain method fails and the setting does not. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { matrix } from '#graft/base/matrix.js'
import { type Engine, openEngine } from '#graft/runtime/engine.js'
import { joinDomains } from '#graft/techniques/domainAdaptation/domainSource.js'
import type { AdaptationMethod } from '#graft/techniques/domainAdaptation/method.js'
import { cdan } from '#graft/techniques/domainAdaptation/methods/cdan.js'
import { dann } from '#graft/techniques/domainAdaptation/methods/dann.js'
import { deepCoral } from '#graft/techniques/domainAdaptation/methods/deepCoral.js'
import { entropyMinimisation } from '#graft/techniques/domainAdaptation/methods/entropy.js'
import { importanceWeighting } from '#graft/techniques/domainAdaptation/methods/importance.js'
import { mcc } from '#graft/techniques/domainAdaptation/methods/mcc.js'
import { momentMatching } from '#graft/techniques/domainAdaptation/methods/momentMatching.js'
import { osbp } from '#graft/techniques/domainAdaptation/methods/osbp.js'
import { methodsInSetting } from '#graft/techniques/domainAdaptation/settings/index.js'
import { labelledTarget } from '#graft/techniques/domainAdaptation/settings/labelledTarget.js'
import { openSet, openSetAnswers, UNKNOWN } from '#graft/techniques/domainAdaptation/settings/openSet.js'
import { classWeights, partialTarget } from '#graft/techniques/domainAdaptation/settings/partial.js'
import { nearness, perSource } from '#graft/techniques/domainAdaptation/settings/perSource.js'
import { softmax } from '../../losses/domain/plain.js'
import { assertClose } from '../../support/compare.js'
import { prepared } from '../fineTuning/methodLoss.js'
import { toySamples } from '../fineTuning/toy.js'
import { assertResumes } from '../fineTuning/training.js'
import { accuracy, adapted, type Cloud, clouds, type Options } from './clouds.js'

let engine: Engine
before(async () => {
  engine = await openEngine({ threads: 1 })
})
after(() => engine.close())

const settings = { epochs: 20, lr: 0.03 }
const reached = async (methods: readonly AdaptationMethod[], options: Options) =>
  accuracy((await adapted(engine, methods, { settings, ...options })).target.logits, options.to.labels)

describe('a partial target', () => {
  const source = clouds({ key: 's', counts: [40, 40, 40, 40, 40, 40], spread: 0.5 })
  const to = clouds({ key: 't', counts: [80, 80], places: 6, turn: 20, spread: 0.5 })

  it('draws the target to classes that it does not have, unless classes are weighed', async () => {
    const own = { epochs: 30, lr: 0.04 }
    const plain = await reached([dann()], { sources: [source], to, settings: own })
    const weighed = await reached([partialTarget(dann())], { sources: [source], to, settings: own })
    assert.ok(weighed > plain + 0.04, `${weighed} against ${plain}`)
  })

  it('weighs classes by the mean prediction', () => {
    const z = matrix(2, 3, Float32Array.of(1, 2, -1, 0, 3, 0.5))
    const p = [softmax([1, 2, -1]), softmax([0, 3, 0.5])]
    const mean = [0, 1, 2].map((c) => (p[0]![c]! + p[1]![c]!) / 2)
    assertClose(
      classWeights(z),
      mean.map((v) => v / Math.max(...mean)),
      'weights',
    )
  })

  it('refuses methods that match whole domains, and two weighings', async () => {
    assert.throws(() => partialTarget(deepCoral()), /takes all rows of a domain alike/)
    assert.throws(() => openSet(deepCoral()), /takes all rows of a domain alike/)
    const inner = { ...importanceWeighting(), weighs: true }
    await assert.rejects(prepared(partialTarget(inner), { engine, train: joined() }), /weighs the classification/)
  })
})

describe('an open target', () => {
  const source = clouds({ key: 's', counts: [60, 60, 60] })
  // Half as many samples again are of no known class, and lie between all of them.
  const to = clouds({ key: 't', counts: [60, 60, 60, 90], places: 3, turn: 30, radii: [3, 3, 3, 0.5] })
  const shares = (answers: Int32Array) => ({
    known: accuracyOf(answers, to, (label) => label < 3),
    unknown: answers.filter((answer, i) => to.labels[i] === 3 && answer === UNKNOWN).length / 90,
  })

  it('makes the plain method name what it cannot know; with the setting it stays unknown', async () => {
    const found = async (method: AdaptationMethod) =>
      shares(openSetAnswers((await adapted(engine, [method], { sources: [source], to, settings })).target.logits))
    const plain = await found(entropyMinimisation({ weight: 0.5 }))
    const open = await found(openSet(entropyMinimisation({ weight: 0.5 })))
    assert.ok(open.known > 0.95 && open.unknown > plain.unknown + 0.3, JSON.stringify({ plain, open }))
  })

  it('finds a class for the unknown by OSBP', async () => {
    const classes = ['a', 'b', 'c', 'unknown']
    const { target } = await adapted(engine, [osbp({ weight: 0.5 })], { sources: [source], to, classes, settings })
    const own = shares(answersOf(target.logits))
    assert.ok(own.known > 0.85 && own.unknown > 0.6, JSON.stringify(own))
    const alone = await adapted(engine, [], { sources: [source], to, classes, settings })
    assert.ok(shares(answersOf(alone.target.logits)).unknown < 0.05)
  })

  it('calls unknown what has more than half of the largest entropy', () => {
    const z = matrix(3, 4, Float32Array.of(9, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3))
    assert.deepEqual(Array.from(openSetAnswers(z)), [0, UNKNOWN, UNKNOWN])
    assert.deepEqual(Array.from(openSetAnswers(z, 1.2)), [0, UNKNOWN, 1])
  })
})

/** The last of four classes is the unknown one. */
function answersOf(logits: ReturnType<typeof matrix>): Int32Array {
  return Int32Array.from({ length: logits.rows }, (_, i) => {
    const z = Array.from(logits.data.subarray(i * 4, i * 4 + 4))
    const best = z.indexOf(Math.max(...z))
    return best === 3 ? UNKNOWN : best
  })
}

function accuracyOf(answers: Int32Array, { labels }: Cloud, counts: (label: number) => boolean): number {
  const own = Array.from(labels.keys()).filter((i) => counts(labels[i]!))
  return own.filter((i) => answers[i] === labels[i]).length / own.length
}

describe('several sources', () => {
  const near = clouds({ key: 'n', counts: [60, 60, 60] })
  // Where the near one has a class this one has the border of two.
  const far = clouds({ key: 'f', counts: [60, 60, 60], turn: 70, shift: [2, 2] })
  const to = clouds({ key: 't', counts: [60, 60, 60], turn: -10, shift: [-0.5, 0] })
  const options = { sources: [near, far], to }

  it('mislead as one, and do not where the nearer counts more', async () => {
    const plain = await reached([dann()], options)
    const even = await reached([perSource(dann(), { weights: 'even' })], options)
    const weighed = await reached([perSource(dann())], options)
    assert.ok(weighed > plain + 0.15 && weighed > even + 0.15, `${weighed} against ${plain} and ${even}`)
  })

  it('are drawn together in their moments', async () => {
    const distance = async (methods: readonly AdaptationMethod[]) => {
      const { train, target } = await adapted(engine, methods, { ...options, settings })
      const part = (from: number, rows: number, features = train.features) =>
        matrix(rows, features.columns, features.data.slice(from * features.columns, (from + rows) * features.columns))
      const spread = part(0, 180).data.reduce((sum, v) => sum + v * v, 0) / 180
      const means = (m: ReturnType<typeof matrix>) =>
        Array.from(
          { length: m.columns },
          (_, c) => m.data.filter((__, i) => i % m.columns === c).reduce((a, b) => a + b, 0) / m.rows,
        )
      const [a, b, t] = [means(part(0, 180)), means(part(180, 180)), means(target.features)] as const
      const gap = (x: readonly number[], y: readonly number[]) => x.reduce((sum, v, i) => sum + (v - y[i]!) ** 2, 0)
      return (gap(a, b) + gap(a, t) + gap(b, t)) / spread
    }
    const [none, matched] = [await distance([]), await distance([momentMatching()])]
    assert.ok(matched < 0.7 * none, `${matched} against ${none}`)
  })

  it('weighs sources by the distance of their means', () => {
    const [a, b, t] = [matrix(1, 2, Float32Array.of(1, 0)), matrix(1, 2, Float32Array.of(0, 3)), matrix(1, 2)]
    const powers = [Math.exp(-2 / 5), Math.exp(-18 / 5)]
    assertClose(
      nearness([a, b], t, 2),
      powers.map((p) => p / (powers[0]! + powers[1]!)),
      'weights',
    )
    assertClose(nearness([a, b], t, 0), [0.5, 0.5], 'even')
    assertClose(nearness([t, t], t, 1), [0.5, 0.5], 'no distance')
  })
})

describe('a few labelled target samples', () => {
  it('drown among those of the source, unless they count as much', async () => {
    const source = clouds({ key: 's', counts: [60, 60, 60] })
    const to = clouds({ key: 't', counts: [60, 60, 60], turn: 65 })
    const known = to.labels.map((label, i) => (i < 12 ? label : -1))
    const plain = await reached([], { sources: [source], to, known })
    const weighed = await reached([labelledTarget()], { sources: [source], to, known })
    assert.ok(weighed > plain + 0.1, `${weighed} against ${plain}`)
  })

  it('is refused where there are none', async () => {
    await assert.rejects(prepared(labelledTarget(), { engine, train: joined() }), /None of the 24 samples of to/)
  })
})

/** Two labelled domains and one that is not. */
function joined() {
  const target = toySamples(24, 5)
  return joinDomains(
    [
      { name: 'from', source: toySamples(24), labelled: true },
      { name: 'also from', source: toySamples(20, 8), labelled: true },
      { name: 'to', source: target, labelled: false },
    ],
    [2, 2, 4],
  )
}

describe('methods in a setting', () => {
  const names = (...asked: Parameters<typeof methodsInSetting>) => methodsInSetting(...asked).map(({ name }) => name)
  it('stand within it', () => {
    assert.deepEqual(names(undefined, {}), [])
    assert.deepEqual(names(mcc(), {}), ['mcc'])
    assert.deepEqual(names(mcc(), { target: 'partial' }), ['partial mcc'])
    assert.deepEqual(names(undefined, { target: 'partial' }), ['partial'])
    assert.deepEqual(names(cdan(), { target: 'open', eachSource: true }), ['open-set per-source cdan'])
    assert.deepEqual(names(mcc(), { labelled: true }), ['mcc', 'labelled-target'])
    assert.throws(() => names(mcc(), { target: 'partial', labelled: true }), /partial and labelled target samples each/)
    assert.throws(() => names(deepCoral(), { target: 'open' }), /takes all rows of a domain alike/)
  })
})

describe('resuming with settings', () => {
  it('ends in the same bits', async () => {
    for (const methods of [[partialTarget(cdan({ entropy: true })), openSet(mcc())], [perSource(dann())]])
      await assertResumes({ train: joined(), settings: { methods, epochs: 2 } }, [4])
  })
})
