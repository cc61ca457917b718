/**
 * Kills a run 30 times at random moments and resumes it: `node build/test/kill.js [kills] [seed]`. Ends with 1 where the
 * weights differ from those of an uninterrupted run. The suite runs a shorter form.
 */
import { killAndResume } from './support/killing.js'

const kills = Number(process.argv[2] ?? 30)
const seed = Number(process.argv[3] ?? 1)
console.log(`${kills} kills at moments drawn from seed ${seed}`)
const outcome = await killAndResume({ seed, kills, tell: (text) => console.log(text) })
const same = outcome.expected === outcome.found
console.log(`${outcome.killed} kills hit a run, ${outcome.resumedSteps} times it went on from a checkpoint`)
console.log(
  same
    ? `identical weights: ${outcome.found}`
    : `different weights: expected ${outcome.expected}, found ${outcome.found}`,
)
process.exitCode = same ? 0 : 1
