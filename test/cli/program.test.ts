import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { UsageError } from '#graft/base/errors.js'
import { describeError } from '#graft/cli/output.js'
import { type Call, parseCommandLine } from '#graft/cli/program.js'
import { trainSchema } from '#graft/tasks/options.js'
import { describeOptions, optionsTable } from '#graft/tasks/schema.js'
import { VERBS } from '#graft/tasks/verbs.js'

const folder = mkdtempSync(join(tmpdir(), 'graft-cli-'))
after(() => rmSync(folder, { recursive: true, force: true }))

async function parse(...args: string[]): Promise<Call> {
  const call = await parseCommandLine(args)
  assert.ok(call)
  return call
}

async function refused(...args: string[]): Promise<string> {
  try {
    await parseCommandLine(args)
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error))
    return describeError(error)
  }
  throw new Error(`${args.join(' ')} was accepted`)
}

test('every option of every verb is a flag of its name, and comes out as it went in', async () => {
  const samples: Record<string, [text: string, value: unknown]> = {
    boolean: ['', true],
    number: ['0.5', 0.5],
    integer: ['32', 32],
    string: ['a b', 'a b'],
    numbers: ['0.5,0.25,1', [0.5, 0.25, 1]],
    strings: ['a, b', ['a', 'b']],
    'word-or-number': ['0.25', 0.25],
    shapes: ['image=1,3,8,8', { image: [1, 3, 8, 8] }],
  }
  for (const [verb, { schema }] of Object.entries(VERBS)) {
    const options = describeOptions(schema)
    const positionals = options.filter((o) => o.positional).map((o) => (o.choices.length > 0 ? o.choices[0]! : 'thing'))
    const required = (but: string) =>
      options.filter((o) => o.required && !o.positional && o.key !== but).flatMap((o) => [o.flag, samples[o.kind]![0]])
    for (const option of options.filter((o) => !o.positional)) {
      const [text, value] = option.kind === 'choice' ? [option.choices[0]!, option.choices[0]] : samples[option.kind]!
      const words = [option.flag, ...(option.kind === 'boolean' ? [] : [text]), ...required(option.key)]
      const call = await parse(verb, ...positionals, ...words)
      assert.deepEqual((call.options as Record<string, unknown>)[option.key], value, `${verb} ${option.flag}`)
    }
  }
})

test('the names that are promised stay', async () => {
  const promised =
    '--out --technique --seed --backbone --mean --std --size --features --classifier --unfreeze --schedule --epochs --batch --lr --optimizer --weight-decay --lr-schedule --warmup --layer-decay --clip --accumulate --ema --label-smoothing --class-weights --balanced-sampling --batch-norm --augment --mixup --cutmix --patience --find-lr --minutes --validation --test --benefits --strict --threads'
  const flags = describeOptions(trainSchema).map((o) => o.flag)
  for (const flag of promised.split(' ')) assert.ok(flags.includes(flag), flag)
  assert.equal((await parse('train', 'photos', '--no-report', '--json')).json, true)
  const { options } = await parse('train', 'photos', '--no-report')
  assert.equal((options as { report: boolean }).report, false)
})

test('unknown flags, commands and values are refused with the nearest', async () => {
  assert.match(
    await refused('train', 'p', '--clasifier', 'knn'),
    /no --clasifier for `graft train`[\s\S]*Did you mean --classifier\?/,
  )
  assert.match(await refused('trian', 'p'), /no command "trian"[\s\S]*Did you mean `graft train`\?/)
  assert.match(
    await refused('train', 'p', '--classifier', 'knnn'),
    /--classifier is "knnn"; expected one of linear-probe, knn[\s\S]*Did you mean knn\?/,
  )
  assert.match(await refused('train', 'p', '--lr', 'fast'), /--lr is "fast"; expected a number above 0/)
  assert.match(await refused('train', 'p', '--epochs', '2.5'), /--epochs is 2.5; expected a whole number/)
  assert.match(await refused('train', 'p', '--mean', '0.5,0.5'), /--mean is \[0.5,0.5\]; expected 3 numbers/)
  assert.match(
    await refused('train', 'p', '--validation', '1'),
    /--validation is 1; expected auto or a number of at least 0 and below 1/,
  )
  assert.match(await refused('train', 'p', '--seed'), /argument missing/)
  assert.match(await refused('train'), /DATA is missing/)
  assert.match(await refused('train', 'a', 'b'), /Too many arguments/)
  assert.match(await refused('--verbose'), /no --verbose/)
})

test('a run file gives options, flags go before it, and its mistakes are named', async () => {
  const write = (name: string, content: unknown) => {
    const path = join(folder, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  const good = write('run.json', {
    verb: 'train',
    version: '0.0.1',
    data: 'photos',
    epochs: 7,
    classWeights: true,
    lr: 0.01,
  })
  const { options } = await parse('train', '--config', good, '--epochs', '2', '--no-class-weights')
  assert.deepEqual(
    { ...options, ...{} } as Record<string, unknown>,
    trainSchema.parse({ data: 'photos', epochs: 2, classWeights: false, lr: 0.01 }),
  )
  assert.match(
    await refused('train', '--config', write('typo.json', { data: 'p', epoch: 3 })),
    /no option "epoch" in .*typo\.json[\s\S]*"epochs"/,
  )
  assert.match(await refused('predict', '--config', good), /is for `graft train`, not `graft predict`/)
  assert.match(await refused('train', '--config', write('bad.json', '{')), /bad\.json: cannot be read as JSON/)
  assert.match(await refused('train', '--config', write('list.json', [])), /holds an array; expected an object/)
  assert.match(await refused('train', '--config', join(folder, 'missing.json')), /missing\.json: cannot be read/)
})

test('the docs list every option once', () => {
  const text = optionsTable(trainSchema)
  for (const { key } of describeOptions(trainSchema)) assert.equal(text.split(`| \`${key}\` |`).length, 2, key)
})
