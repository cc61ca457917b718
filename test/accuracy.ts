/**
 * What the defaults reach on a data set with a test split, beside PyTorch's figures for the clothing photos:
 * `node build/test/accuracy.js [DATA] [SEEDS]`. Takes about six minutes a seed on two cores; the suite does not run it.
 */
import { featureExtraction, fineTuning, transfer } from '#graft/index.js'

const data = process.argv[2] ?? '../shared/data/clothing'
const seeds = Number(process.argv[3] ?? 3)
const accuracyOf = async (technique: ReturnType<typeof fineTuning>, seed: number): Promise<number> => {
  const { evaluation, model } = await transfer({ data, technique, seed })
  await model.close()
  return evaluation?.accuracy ?? Number.NaN
}

console.log(`feature extraction: ${(await accuracyOf(featureExtraction(), 0)).toFixed(3)} (wanted 0.87; PyTorch 0.876)`)
const tuned: number[] = []
for (let seed = 0; seed < seeds; seed++) {
  tuned.push(await accuracyOf(fineTuning(), seed))
  console.log(`fine-tuning (LP-FT), seed ${seed}: ${tuned[seed]!.toFixed(3)}`)
}
const mean = tuned.reduce((sum, value) => sum + value, 0) / tuned.length
console.log(`fine-tuning (LP-FT), mean of ${seeds}: ${mean.toFixed(3)} (wanted 0.891; PyTorch 0.906)`)
