/** graft.json: where a saved model came from, so that it can be checked, repeated and trained further. */
import { z } from 'zod'
import { GraftError } from '../base/errors.js'

/** Version of the format of graft.json and of the folder around it. */
export const FORMAT = 1

/** One of several tasks of a network: an output of the graph has its name. */
export const recordedTask = z.looseObject({
  name: z.string(),
  kind: z.enum(['single-label', 'ordinal', 'multi-label', 'number']),
  /** By column of the output: the classes, or what the number is. */
  labels: z.array(z.string()),
  /** Columns of the data that its labels were read from; undefined where the data had no others. */
  columns: z.array(z.string()).optional(),
  /** It was trained along for the sake of others. */
  auxiliary: z.boolean().optional(),
})

export type RecordedTask = z.infer<typeof recordedTask>

/** What the run says of itself; the folder adds the rest. */
export const recordContents = z.looseObject({
  task: z.string(),
  backbone: z.looseObject({
    name: z.string(),
    /** SHA-256 of the backbone's model file. */
    sha256: z.string(),
    /** The true architecture; config.json may name another that transformers.js knows. */
    architecture: z.string(),
    /** The value that the head stands on. */
    features: z.string(),
    licence: z.string().optional(),
    /** Where on the Hub it comes from: `org/name`, and the commit. */
    source: z.object({ hub: z.string(), commit: z.string() }).optional(),
  }),
  technique: z.string(),
  /** Of a network with several tasks: an output for each, in this order. */
  tasks: z.array(recordedTask).min(1).optional(),
  data: z.looseObject({ fingerprint: z.string() }),
  /** How many samples each part has, and what else repeats the split. */
  split: z.record(z.string(), z.union([z.number(), z.string()])),
  seed: z.number(),
  /** Results depend on it in the last digits. */
  threads: z.number(),
  metrics: z.record(z.string(), z.unknown()),
  /** Scores are softmax(logits / temperature). */
  temperature: z.number().positive(),
  /** Trained further with the classes that it knew: SHA-256 of the model before, and these classes. */
  continued: z.object({ from: z.string(), labels: z.array(z.string()) }).optional(),
  /** Adapted to samples without labels: whether these had the classes of the source, some of them, or others besides ("open"). */
  adaptation: z.looseObject({ setting: z.enum(['closed', 'partial', 'open']).optional() }).optional(),
  /** Of Graft, Node and onnxruntime. */
  versions: z.record(z.string(), z.string()),
})

export const recordSchema = recordContents.extend({
  format: z.literal(FORMAT),
  /** SHA-256 of every file as it was written, by its path in the folder. */
  files: z.record(z.string(), z.string()),
})

export type RecordContents = z.infer<typeof recordContents>
export type GraftRecord = z.infer<typeof recordSchema>

/** @throws GraftError naming every entry that is wrong or missing */
export function readRecord(value: unknown, where: string): GraftRecord {
  const format = (value as { format?: unknown } | null)?.format
  if (typeof format === 'number' && format > FORMAT)
    throw new GraftError(`${where} has format ${format}; this version of Graft reads up to ${FORMAT}.`, {
      remedy: 'Update graft-ml.',
    })
  const parsed = recordSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`)
  throw new GraftError(`${where} is damaged: ${problems.join('; ')}.`, {
    remedy: 'Copy the model folder again, or delete graft.json to use it as a plain backbone.',
  })
}
