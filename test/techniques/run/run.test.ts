import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbortedError, throwIfAborted } from '#graft/techniques/run/aborted.js'
import type { RunEvent } from '#graft/techniques/run/events.js'
import { startRun } from '#graft/techniques/run/run.js'

async function collected(run: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

test('a run is awaited for its result and iterated for its events, in either order', async () => {
  const run = startRun(async (context) => {
    context.phase('data', 'one')
    await new Promise((done) => setTimeout(done, 5))
    context.phase('save', 'two')
    return 42
  })
  const [events, result] = await Promise.all([collected(run), run])
  assert.equal(result, 42)
  assert.deepEqual(
    events.map((e) => e.type === 'phase' && e.message),
    ['one', 'two'],
  )
  assert.deepEqual(await collected(run), events, 'a late listener sees all of them')
})

test('progress that nobody took yet gives way to newer progress', async () => {
  const run = startRun(async (context) => {
    const progress = context.progress('data', 1000, 'photos')
    for (let i = 1; i <= 1000; i++) progress.advance()
    context.phase('save', 'end')
  })
  await run
  const events = await collected(run)
  assert.deepEqual(
    events.map((e) => e.type),
    ['progress', 'phase'],
  )
  assert.equal(events[0]?.type === 'progress' && events[0].done, 1000)
})

test('iterating throws what the run throws, after the events that came before', async () => {
  const run = startRun(async (context) => {
    context.warn('careful')
    throw new RangeError('broken')
  })
  const seen: RunEvent[] = []
  await assert.rejects(async () => {
    for await (const event of run) seen.push(event)
  }, /broken/)
  assert.deepEqual(
    seen.map((e) => e.type),
    ['warning'],
  )
  await assert.rejects(run.result(), RangeError)
})

test('a run stops by its own abort and by the signal it was given', async () => {
  const work = async (context: { signal: AbortSignal }) => {
    await new Promise((done) => context.signal.addEventListener('abort', done))
    throwIfAborted(context.signal, 'somewhere')
  }
  const own = startRun(work)
  setTimeout(() => own.abort(), 5)
  await assert.rejects(
    own.result(),
    (error: unknown) => error instanceof AbortedError && error.resumeFrom === 'somewhere',
  )
  const controller = new AbortController()
  const given = startRun(work, { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('enough')), 5)
  await assert.rejects(given.result(), /enough/)
})

test('a run whose signal is aborted already does not begin', async () => {
  let began = false
  const run = startRun(
    async () => {
      began = true
    },
    { signal: AbortSignal.abort() },
  )
  await assert.rejects(run.result(), AbortedError)
  assert.equal(began, false)
})

test('the estimate leaves out what an interrupted run had done', async () => {
  const run = startRun(async (context) => {
    const progress = context.progress('fine-tuning', 100, 'steps', 90)
    await new Promise((done) => setTimeout(done, 120))
    progress.set(95)
  })
  const events = await collected(run)
  const last = events.at(-1)
  assert.ok(last?.type === 'progress' && last.done === 95)
  // Five steps in 0.12 s: five more take about as long, not a twentieth of it.
  assert.ok(last.remaining !== undefined && last.remaining > 0.05, `remaining ${last.remaining}`)
})
