/** What the program runs on, for records, and base64. */
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'

/** Versions that results may depend on. */
export function runtimeVersions(): Record<string, string> {
  const require = createRequire(import.meta.url)
  const found = require('onnxruntime-node/package.json') as { version: string }
  return { node: process.versions.node, onnxruntime: found.version }
}

/** 'linux x64'. */
export function systemName(): string {
  return `${platform()} ${arch()}`
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
