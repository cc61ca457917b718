/** The reference cases kept beside a checkout, where they are present: graphs with their inputs and expected outputs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Tests run from the project's root. */
export const SHARED = join(process.cwd(), '..', 'shared')
const ORACLE = join(SHARED, 'oracle')

/** Why a test that needs the cases is skipped; false where they are present. */
export const skipOracle: string | false = existsSync(ORACLE) ? false : `the reference cases are absent (${ORACLE})`

export function oracleCases(): string[] {
  if (skipOracle) return []
  return readdirSync(ORACLE, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
}

export function oracleModel(name: string): Uint8Array {
  return readFileSync(join(ORACLE, name, 'model.onnx'))
}

export interface Stored {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data: Float32Array | BigInt64Array
}

/** The case's tensors by their name in the file (`input.x`, `output.y`, ...). */
export function oracleTensors(name: string): Map<string, Stored> {
  const bytes = readFileSync(join(ORACLE, name, 'case.safetensors'))
  const headerLength = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const out = new Map<string, Stored>()
  for (const [key, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (key === '__metadata__') continue
    const part = bytes.subarray(8 + headerLength + data_offsets[0], 8 + headerLength + data_offsets[1])
    const buffer = new Uint8Array(part).buffer
    out.set(key, { dtype, shape, data: dtype === 'I64' ? new BigInt64Array(buffer) : new Float32Array(buffer) })
  }
  return out
}
