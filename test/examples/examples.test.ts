/** The programs under examples/ do what they say. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { EXAMPLES } from '../support/graft.js'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'graft-examples-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

function run(name: string, ...args: string[]): string {
  const env = { ...process.env, GRAFT_CACHE: join(folder, 'cache') }
  const program = resolve('build/examples', `${name}.js`)
  const found = spawnSync(process.execPath, [program, ...args], { cwd: folder, env, encoding: 'utf8' })
  assert.equal(found.status, 0, found.stderr)
  return found.stdout
}

test('train a folder, then predict with the model', () => {
  const said = run('trainAFolder', EXAMPLES, 'model')
  const accuracy = Number(/accuracy (\d\.\d+) on 40 photos \(test\)/.exec(said)?.[1])
  assert.ok(accuracy >= 0.6, said)
  assert.ok(existsSync(join(folder, 'model', 'report.html')))
  const predicted = run('predict', 'model', join(EXAMPLES, 'test', 'shoes'))
    .trim()
    .split('\n')
  assert.equal(predicted.length, 4)
  for (const line of predicted) assert.match(line, /\.jpg shoes 0\.\d+/)
})

test('train on a table of texts', () => {
  const said = run('trainOnTexts', resolve('examples/reviews/reviews.csv'), 'text-model')
  assert.match(said, /Texts are read from "text", by its name\./)
  assert.ok(Number(/accuracy (\d\.\d+) on 24 texts/.exec(said)?.[1]) >= 0.6, said)
  assert.match(said, /positive [01]\.\d+\n$/)
})

test('techniques with their options', () => {
  const lines = run('techniques', EXAMPLES).trim().split('\n')
  assert.equal(lines.length, 3)
  for (const line of lines) assert.ok(Number(line.split(': ')[1]) >= 0.5, line)
})

test('abort and resume', () => {
  const said = run('abortAndResume', EXAMPLES, 'resumed')
  assert.match(said, /^The run was stopped\. It can go on from resumed\./)
  assert.match(said, /epoch 3 of 6[\s\S]*epoch 6 of 6[\s\S]*accuracy 0\.\d+/)
  assert.doesNotMatch(said, /epoch 2 of 6/)
})
