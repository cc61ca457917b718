/** Several labels a sample: from one table, from a list, from a data set a task; one division for all; what is said beforehand. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Random } from '#graft/base/random.js'
import type { NamedTask } from '#graft/data/targets.js'
import { checkTasks, startingLoss } from '#graft/data/tasks/checks.js'
import { kindOfTasks, openTasks } from '#graft/data/tasks/open.js'
import { parseTask, parseTasks, taskText } from '#graft/data/tasks/specification.js'
import { splitTasks } from '#graft/data/tasks/split.js'
import { EXAMPLES } from '../support/graft.js'

let root = ''
before(() => {
  root = mkdtempSync(join(tmpdir(), 'graft-task-data-'))
})
after(() => rmSync(root, { recursive: true, force: true }))

const NOUNS = { one: 'text', many: 'texts' }
const file = (name: string, text: string): string => {
  const path = join(root, name)
  writeFileSync(path, text)
  return path
}
const targetsOf = (tasks: readonly NamedTask[], name: string) => tasks.find((task) => task.name === name)!.targets

test('tasks are read as they are written, and written as they are read', () => {
  for (const text of [
    'airline',
    'sentiment=:label',
    'topic=news.csv:section',
    'type=photos',
    'flags=:a+b+c',
    'x=C:/data',
  ])
    assert.equal(taskText(parseTask(text)), text)
  assert.deepEqual(parseTask('topic=news.csv:section'), { name: 'topic', data: 'news.csv', columns: ['section'] })
  assert.deepEqual(parseTask('x=C:/data/a.csv:y'), { name: 'x', data: 'C:/data/a.csv', columns: ['y'] })
  const [first, second] = parseTasks({
    tasks: ['size', 'price=:cost'],
    types: ['price=regression'],
    classes: ['size=s|m|l'],
  })
  assert.deepEqual(first, { name: 'size', classes: ['s', 'm', 'l'] })
  assert.deepEqual(second, { name: 'price', columns: ['cost'], kind: 'number' })
  assert.throws(() => parseTasks({ tasks: ['a', 'a'] }), /named twice/)
  assert.throws(() => parseTasks({ tasks: ['stars'], types: ['star=number'] }), /for no task/)
  assert.throws(() => parseTasks({ tasks: ['stars'], types: ['stars=numbr'] }), /expected one of/)
  assert.throws(() => parseTask('=x'), /names no task/)
  assert.throws(() => parseTask('a='), /does not say where/)
})

const TABLE = `text,mood,stars,price,topics,happy,long,split
a fine room,good,5,1.5,food|room,1,0,train
the worst food,bad,1,20.25,food,0,1,train
it was ok,,3,,room,0,0,test
a dull film,bad,,7.125,,,,train
nothing said,,,,,,,train
great and nice,good,4,3.5,film|food,1,1,test
so so,good,2,9.75,film,0,0,train
`

test('a table with a column a task: kinds are found out and said, empty cells are not known', async () => {
  const path = file('one.csv', TABLE)
  const specs = parseTasks({ tasks: ['mood', 'stars', 'price', 'topics', 'flags=:happy+long'] })
  const { tasks, dataset, notes } = await openTasks(path, specs)
  assert.equal(dataset.samples.length, 6, 'the row of which no task says anything is left out')
  assert.equal(dataset.skipped.length, 1)
  assert.deepEqual(
    [...dataset.samples].map((sample) => sample.split),
    ['train', 'train', 'test', 'train', 'test', 'train'],
  )
  const mood = targetsOf(tasks, 'mood')
  assert.ok(mood.kind === 'single-label')
  assert.deepEqual(mood.classes, ['bad', 'good'])
  assert.deepEqual([...mood.labels], [1, 0, -1, 0, 1, 1])
  const stars = targetsOf(tasks, 'stars')
  assert.ok(stars.kind === 'ordinal')
  assert.deepEqual([...stars.labels], [4, 0, 2, -1, 3, 1])
  const price = targetsOf(tasks, 'price')
  assert.ok(price.kind === 'number')
  assert.deepEqual([...price.values], [1.5, 20.25, Number.NaN, 7.125, 3.5, 9.75])
  const topics = targetsOf(tasks, 'topics')
  assert.ok(topics.kind === 'multi-label')
  assert.deepEqual(topics.classes, ['film', 'food', 'room'])
  assert.deepEqual([...topics.known!], [1, 1, 1, 0, 1, 1])
  assert.deepEqual([...topics.labels.subarray(0, 6)], [0, 1, 1, 0, 1, 0])
  const flags = targetsOf(tasks, 'flags')
  assert.ok(flags.kind === 'multi-label')
  assert.deepEqual(flags.classes, ['happy', 'long'])
  assert.deepEqual([...flags.known!], [1, 1, 1, 0, 1, 1])
  assert.match(notes.join('\n'), /stars: "stars" has one class a text, ordered .*--types stars=number or single-label/)
  const said = await openTasks(path, parseTasks({ tasks: ['stars', 'mood'], types: ['stars=number'] }))
  assert.equal(targetsOf(said.tasks, 'stars').kind, 'number')
  await assert.rejects(openTasks(path, parseTasks({ tasks: ['moood', 'stars'] })), /no column "moood"/)
  await assert.rejects(
    openTasks(path, parseTasks({ tasks: ['text', 'mood'] }), { text: 'text' }),
    /named as a task and/,
  )
})

test('a list in memory, and a part of the tasks where the data lacks columns', async () => {
  const items = [
    { text: 'good film', a: 'x', b: 3 },
    { text: 'bad film', a: 'y' },
    { text: 'a room', b: 4.5 },
  ]
  const { tasks } = await openTasks(items, parseTasks({ tasks: ['a', 'b'], types: ['b=number'] }))
  assert.deepEqual([...(targetsOf(tasks, 'b') as { values: Float64Array }).values], [3, Number.NaN, 4.5])
  const some = await openTasks(items, parseTasks({ tasks: ['a', 'c'] }), { partial: true })
  assert.deepEqual(
    some.tasks.map(({ name }) => name),
    ['a'],
  )
  await assert.rejects(openTasks(undefined, parseTasks({ tasks: ['a', 'b'] })), /has no data/)
})

test('a data set a task over the same kind of input: unknown outside its own', async () => {
  const moods = file('moods.csv', 'text,label\na fine room,good\nthe worst food,bad\na nice film,good\n')
  const places = file('places.csv', 'text,place,size\nparis in may,paris,2\noslo today,oslo,3\n')
  const specs = parseTasks({
    tasks: [`mood=${moods}`, `place=${places}:place`, `size=${places}:size`],
    types: ['size=number'],
  })
  const { tasks, dataset, sourceOf } = await openTasks(undefined, specs)
  assert.deepEqual(
    tasks.map(({ name }) => name),
    ['mood', 'place', 'size'],
  )
  assert.deepEqual([...sourceOf], [0, 0, 0, 1, 1])
  assert.deepEqual([...(targetsOf(tasks, 'mood') as { labels: Int32Array }).labels], [1, 0, 1, -1, -1])
  assert.deepEqual([...(targetsOf(tasks, 'place') as { labels: Int32Array }).labels], [-1, -1, -1, 1, 0])
  assert.deepEqual(
    [...(targetsOf(tasks, 'size') as { values: Float64Array }).values],
    [Number.NaN, Number.NaN, Number.NaN, 2, 3],
  )
  const ids = [...dataset.samples].map(({ id }) => id)
  assert.equal(new Set(ids).size, 5)
  assert.deepEqual(
    ids.map((id) => id.split('/')[0]),
    ['moods.csv', 'moods.csv', 'moods.csv', 'places.csv', 'places.csv'],
  )
  await assert.rejects(
    kindOfTasks(undefined, parseTasks({ tasks: [`mood=${moods}`, `type=${EXAMPLES}`] })),
    /Tasks share one network/,
  )
})

test('photos by a CSV with a column a task, by the folder that holds it, and by folders of classes', async () => {
  const folder = join(root, 'photos')
  mkdirSync(join(folder, 'images'), { recursive: true })
  const lines: string[] = ['file,split,kind,age']
  for (const [k, name] of ['hat', 'dress'].entries())
    for (const [i, photo] of readdirSync(join(EXAMPLES, 'train', name))
      .sort()
      .slice(0, 3)
      .entries()) {
      cpSync(join(EXAMPLES, 'train', name, photo), join(folder, 'images', photo))
      lines.push(`images/${photo},${i === 0 ? 'test' : 'train'},${name},${i === 1 ? '' : 10 * k + i}`)
    }
  lines.push('images/none.jpg,train,hat,1')
  writeFileSync(join(folder, 'labels.csv'), `${lines.join('\n')}\n`)
  const specs = parseTasks({ tasks: ['kind', 'age'], types: ['age=number'] })
  for (const place of [join(folder, 'labels.csv'), folder]) {
    const { kind, tasks, dataset } = await openTasks(place, specs)
    assert.equal(kind, 'images')
    assert.equal(dataset.samples.length, 6)
    assert.ok([...dataset.samples].every(({ id }) => id.startsWith('images/')))
    assert.deepEqual(
      dataset.skipped.map(({ id }) => id),
      ['images/none.jpg'],
    )
    assert.deepEqual([...(targetsOf(tasks, 'kind') as { labels: Int32Array }).labels], [1, 1, 1, 0, 0, 0])
    assert.deepEqual(
      [...(targetsOf(tasks, 'age') as { values: Float64Array }).values],
      [0, Number.NaN, 2, 10, Number.NaN, 12],
    )
  }
  const both = await openTasks(join(folder, 'labels.csv'), [
    ...specs,
    ...parseTasks({ tasks: [`cloth=${join(EXAMPLES, 'test')}`] }),
  ])
  const cloth = targetsOf(both.tasks, 'cloth')
  assert.ok(cloth.kind === 'single-label' && cloth.classes.length === 10)
  assert.deepEqual([...cloth.labels.subarray(0, 6)], [-1, -1, -1, -1, -1, -1])
  await assert.rejects(openTasks(join(EXAMPLES, 'test'), specs), /has no table with a column for kind, age/)
})

const classes = (name: string, labels: readonly number[], names = ['a', 'b', 'c']): NamedTask => ({
  name,
  targets: { kind: 'single-label', classes: names, labels: Int32Array.from(labels) },
})

test('one division for all tasks: in proportion for each, copies together, deterministic', () => {
  const random = new Random(5, 'split')
  const n = 600
  const first = classes(
    'first',
    Array.from({ length: n }, () => random.integer(3)),
  )
  // A rare task: known of one sample in six.
  const second = classes(
    'second',
    Array.from({ length: n }, (_, i) => (i % 6 === 0 ? random.integer(2) : -1)),
    ['x', 'y'],
  )
  const number: NamedTask = {
    name: 'number',
    targets: { kind: 'number', name: 'number', values: Float64Array.from({ length: n }, () => random.normal()) },
  }
  const groups = Int32Array.from({ length: n }, (_, i) => i - (i % 2))
  const options = {
    tasks: [first, second, number],
    groups,
    given: new Array<undefined>(n).fill(undefined),
    sourceOf: new Int32Array(n),
    validation: 0.15,
    test: 0.25,
  }
  const split = splitTasks({ ...options, random: new Random(1, 's') })
  const again = splitTasks({ ...options, random: new Random(1, 's') })
  assert.deepEqual(split, again)
  const partOf = new Array<string>(n)
  for (const part of ['train', 'validation', 'test'] as const) for (const i of split[part]) partOf[i] = part
  for (let i = 0; i < n; i += 2) assert.equal(partOf[i], partOf[i + 1], 'copies lie in one part')
  for (const { targets } of [first, second])
    if (targets.kind === 'single-label')
      for (let c = 0; c < targets.classes.length; c++) {
        const all = [...targets.labels].filter((label) => label === c).length
        const held = [...split.test].filter((i) => targets.labels[i] === c).length
        assert.ok(Math.abs(held / all - 0.25) < 0.08, `${held} of ${all}`)
      }
})

test('sources of which one names its test samples and the other none are divided by themselves', () => {
  const n = 80
  const sourceOf = Int32Array.from({ length: n }, (_, i) => (i < 40 ? 0 : 1))
  const given = Array.from({ length: n }, (_, i) =>
    i < 40 ? (i % 4 === 0 ? ('test' as const) : ('train' as const)) : undefined,
  )
  // Sample 60 is a copy of the test sample 0.
  const groups = Int32Array.from({ length: n }, (_, i) => (i === 60 ? 0 : i))
  const tasks = [
    classes(
      'a',
      Array.from({ length: n }, (_, i) => (i < 40 ? i % 3 : -1)),
    ),
    classes(
      'b',
      Array.from({ length: n }, (_, i) => (i < 40 ? -1 : i % 3)),
    ),
  ]
  const split = splitTasks({ tasks, groups, given, sourceOf, validation: 0.1, test: 0.25, random: new Random(2, 's') })
  const own = [...split.test].filter((i) => i < 40)
  assert.deepEqual(
    own,
    Array.from({ length: 10 }, (_, k) => 4 * k),
    'as the data says',
  )
  assert.ok(split.test.includes(60), 'a copy of a test sample does not train')
  const other = [...split.test].filter((i) => i >= 40).length
  assert.ok(other >= 9 && other <= 12, `${other} of 40`)
  assert.equal(split.train.length + split.validation.length + split.test.length, n)
})

test('what is said before training, and what is refused', () => {
  const n = 120
  const all = Int32Array.from({ length: n }, (_, i) => i)
  const split = { train: all.slice(0, 80), validation: all.slice(80, 100), test: all.slice(100) }
  const random = new Random(3, 'labels')
  const base = Array.from({ length: n }, () => random.integer(3))
  const other = Array.from({ length: n }, () => random.integer(3))
  const independent = checkTasks([classes('one', base), classes('two', other)], split, NOUNS)
  assert.deepEqual(independent, [])
  const coarse = base.map((label) => (label === 0 ? 0 : 1))
  const follows = checkTasks([classes('fine', base), classes('coarse', coarse, ['x', 'y'])], split, NOUNS)
  assert.match(follows.join('\n'), /fine determines coarse on 120 texts/)
  const renamed = checkTasks(
    [
      classes('one', base),
      classes(
        'same',
        base.map((label) => 2 - label),
      ),
    ],
    split,
    NOUNS,
  )
  assert.match(renamed.join('\n'), /one and same determine each other/)
  const where = base.map((label, i) => (label === 2 ? i % 2 : -1))
  const only = checkTasks([classes('mood', base), classes('reason', where, ['x', 'y'])], split, NOUNS)
  assert.match(only.join('\n'), /reason is known only where mood is c/)
  const early = base.map((label, i) => (i < 100 ? label : -1))
  assert.match(
    checkTasks([classes('one', base), classes('early', early)], split, NOUNS).join('\n'),
    /early, no test text has a label of it/,
  )
  const rare = base.map((_, i) => (i === 3 ? 1 : 0))
  assert.match(
    checkTasks([classes('one', base), classes('rare', rare, ['x', 'y'])], split, NOUNS).join('\n'),
    /The loss of one begins near 1\.1, that of rare near 0\.0\d+/,
  )
  assert.match(
    checkTasks(
      [
        classes('one', base),
        classes(
          'few',
          base.map((label, i) => (i < 9 ? label : -1)),
        ),
      ],
      split,
      NOUNS,
    ).join('\n'),
    /few, only 9 texts have a label to train on/,
  )
  const constant = base.map(() => 1)
  assert.throws(
    () => checkTasks([classes('one', base), classes('same', constant)], split, NOUNS),
    /same has one class only \(b\)/,
  )
  const late = base.map((label, i) => (i < 80 ? -1 : label))
  assert.throws(
    () => checkTasks([classes('one', base), classes('late', late)], split, NOUNS),
    /late has no label to train on/,
  )
})

test('the loss that training begins with is the entropy of the labels', () => {
  const { targets } = classes('x', [0, 0, 0, 1], ['a', 'b'])
  const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25))
  assert.ok(Math.abs(startingLoss(targets) - entropy) < 1e-12)
})
