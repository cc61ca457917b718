#!/usr/bin/env node
/**
 * The command `graft`. Parses, calls the library, prints. Exit code 0: done, 1: failed, 2: wrong usage (130 or 143 after a
 * signal). What a verb needs is loaded when it runs, so that help and the first line come at once.
 */
import { UsageError } from '../base/errors.js'
import { AbortedError } from '../techniques/run/aborted.js'
import type { CommandContext } from './context.js'
import { type Interrupts, watchInterrupts } from './interrupt.js'
import { describeError, type Output, openOutput } from './output.js'
import { type Call, parseCommandLine } from './program.js'

let outputClosed: (exitCode: number) => void = () => undefined

async function main(): Promise<number> {
  let call: Call | undefined
  try {
    call = await parseCommandLine(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`)
    return error instanceof UsageError ? 2 : 1
  }
  if (call === undefined) return 0
  const output = openOutput(call.json)
  const interrupts = watchInterrupts((text) => output.warn(text))
  outputClosed = (exitCode) => interrupts.stop(exitCode)
  try {
    return await serve(call, output, interrupts)
  } catch (error) {
    output.end()
    process.stderr.write(`${describeError(error)}\n`)
    if (error instanceof AbortedError) return interrupts.code() ?? 1
    return error instanceof UsageError ? 2 : 1
  } finally {
    interrupts.dispose()
  }
}

/** A verb's file exports `run(options, context)`. */
async function serve(call: Call, output: Output, interrupts: Interrupts): Promise<number> {
  const context: CommandContext = { output, signal: interrupts.signal, given: call.given }
  switch (call.verb) {
    case 'train':
      return (await import('./commands/train.js')).run(call.options, context)
    case 'predict':
      return (await import('./commands/predict.js')).run(call.options, context)
    case 'evaluate':
      return (await import('./commands/evaluate.js')).run(call.options, context)
    case 'multitask':
      return (await import('./commands/multitask.js')).run(call.options, context)
    case 'adapt':
      return (await import('./commands/adapt.js')).run(call.options, context)
    case 'shift':
      return (await import('./commands/shift.js')).run(call.options, context)
    case 'generalise':
      return (await import('./commands/generalise.js')).run(call.options, context)
    case 'drift':
      return (await import('./commands/drift.js')).run(call.options, context)
    case 'compare':
      return (await import('./commands/compare.js')).run(call.options, context)
    case 'soup':
      return (await import('./commands/soup.js')).run(call.options, context)
    case 'rank':
      return (await import('./commands/rank.js')).run(call.options, context)
    case 'inspect':
      return (await import('./commands/inspect.js')).run(call.options, context)
    case 'resume':
      return (await import('./commands/resume.js')).run(call.options, context)
    case 'cache':
      return (await import('./commands/cache.js')).run(call.options, context)
    case 'demo':
      return (await import('./commands/demo.js')).run(call.options, context)
    case 'backbones':
      return (await import('./commands/backbones.js')).run(call.options, context)
    case 'export':
      return (await import('./commands/export.js')).run(call.options, context)
    case 'gradients':
      return (await import('./commands/gradients.js')).run(call.options, context)
    case 'check':
      return (await import('./commands/check.js')).run(call.options, context)
  }
}

// A pipe that is closed early (`graft predict ... | head`) stops the program at its next safe point, without a fuss.
process.stdout.on('error', (error: NodeJS.ErrnoException) => outputClosed(error.code === 'EPIPE' ? 0 : 1))
process.exitCode = await main()
