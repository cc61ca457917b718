/** SetFit as a technique of a run: measured by cross-validation, saved as it was trained, stopped and gone on with. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadModel, type RunEvent, resume, setFit, transfer } from '#graft/index.js'
import { textModality } from '#graft/tasks/texts/modality.js'
import { chooseTechnique, validationShare } from '#graft/tasks/training/plan.js'
import { settled, trainSchema } from '#graft/tasks/training/trainOptions.js'
import { AbortedError } from '#graft/techniques/run/aborted.js'
import { smallPhotos } from '../support/graft.js'
import { writeTinyBackbone } from '../support/tinyBackbone.js'

let folder: string
let photos: string
let backbone: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-setfit-'))
  process.env.GRAFT_CACHE = join(folder, 'cache')
  photos = smallPhotos(join(folder, 'photos'))
  backbone = writeTinyBackbone(join(folder, 'backbone'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

const technique = setFit({ rounds: 2, batch: 8, lr: 1e-3, epochs: 2 })
const common = { threads: 1, seed: 4, report: false, technique } as const
const bytesOf = (out: string) => readFileSync(join(out, 'onnx', 'model.onnx')).toString('hex')

test('few texts of a class are tried on pairs beside a probe, many are not, and photos never by themselves', () => {
  const { defaults, nouns } = textModality('texts.csv')
  const options = (given: object = {}) => settled(trainSchema.parse({ data: 'texts.csv', ...given }), defaults)
  const facts = (each: number, pairs: boolean) => ({
    nouns,
    total: 2 * each,
    trainCounts: [each, each],
    hasValidation: false,
    hasTest: false,
    kind: 'single-label' as const,
    pairs,
  })
  const few = chooseTechnique(options(), facts(8, true))
  assert.equal(few.value, 'probe-or-setfit')
  assert.match(few.reason, /16 samples in 2 classes are few/)
  assert.equal(validationShare(options(), facts(8, true), 'probe-or-setfit').value, 0)
  assert.equal(chooseTechnique(options(), facts(8, false)).value, 'feature-extraction')
  assert.equal(chooseTechnique(options(), facts(500, true)).value, 'both')
  assert.equal(chooseTechnique(options({ methods: ['lora'] }), facts(8, true)).value, 'fine-tuning')
  assert.equal(chooseTechnique(options({ keepClasses: true }), facts(8, true)).value, 'fine-tuning')
  const asked = options({ technique: 'setfit' })
  assert.deepEqual([asked.epochs, asked.lr, asked.optimizer, asked.rounds], [1, 2e-5, 'adamw', 20])
})

test('with test photos it trains once; the saved model gives what was measured', async () => {
  const out = join(folder, 'tested')
  const { model, evaluation, report } = await transfer({ ...common, data: photos, backbone, out })
  assert.equal(evaluation?.split, 'test')
  assert.equal(report.candidates?.reason, 'SetFit was asked for.')
  assert.ok(evaluation?.kind === 'classes')
  const saved = await loadModel(out)
  const measured = await saved.evaluate(photos)
  assert.ok(measured.kind === 'classes' && Math.abs(measured.logLoss - evaluation.logLoss) < 1e-4)
  const file = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))
  assert.deepEqual([file.technique, file.rounds, file.epochs, file.lr], ['setfit', 2, 2, 1e-3])
  assert.match(readFileSync(join(out, 'graft.json'), 'utf8'), /"technique": "SetFit"/)
  await saved.close()
  await model.close()
})

test('without test photos it is cross-validated beside the probe; stopped between parts it goes on with what is recorded', async () => {
  const whole = join(folder, 'whole')
  const train = join(photos, 'train')
  const { model, evaluation, report } = await transfer({ ...common, data: train, backbone, out: whole })
  assert.equal(evaluation?.split, 'cross-validation (which also chose the model)')
  assert.equal(evaluation.n, 24)
  assert.deepEqual(
    report.candidates?.items.map(({ name, kept }) => [name, kept]),
    [
      ['Linear probe', false],
      ['SetFit', true],
    ],
  )
  await model.close()
  const out = join(folder, 'stopped')
  const stoppedAt = async (run: ReturnType<typeof transfer>, wanted: (event: RunEvent) => boolean) => {
    const phases: string[] = []
    await assert.rejects(async () => {
      for await (const event of run) {
        if (event.type === 'phase') phases.push(event.message)
        if (wanted(event)) run.abort()
      }
      await run
    }, AbortedError)
    return phases
  }
  await stoppedAt(
    transfer({ ...common, data: train, backbone, out }),
    (event) => event.type === 'phase' && /part 3 of 4/.test(event.message),
  )
  const { decisions } = JSON.parse(readFileSync(join(out, '.graft', 'record.json'), 'utf8'))
  const parts = Object.keys(decisions).filter((name) => /contrastive part/.test(name))
  assert.deepEqual(parts, ['contrastive part 1', 'contrastive part 2'])
  await stoppedAt(resume(out), (event) => event.type === 'epoch' && event.epoch === 1)
  const { model: resumed, evaluation: measured } = await resume(out)
  assert.equal(bytesOf(out), bytesOf(whole))
  assert.ok(measured?.kind === 'classes' && evaluation.kind === 'classes')
  assert.equal(measured.logLoss, evaluation.logLoss)
  await resumed.close()
})

test('what does not belong to it is refused', async () => {
  const given = { ...common, data: photos, backbone }
  await assert.rejects(transfer({ ...given, unfreeze: 1 }).result(), /--unfreeze does not belong to it/)
  await assert.rejects(transfer({ ...given, optimizer: 'sgd' }).result(), /--optimizer sgd does not belong to it/)
  await assert.rejects(
    transfer({ ...given, technique: 'setfit', methods: ['lora'] }).result(),
    /lora is a method of fine-tuning; the technique is setfit/,
  )
})
