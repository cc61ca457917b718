/** Messages between the engine and its worker. */
import type { HostTensor, RuntimeSettings, StateBinding } from './types.js'

export type Request =
  | {
      readonly kind: 'load'
      readonly program: number
      /** The file's bytes, or its path. */
      readonly model: Uint8Array | string
      readonly state: readonly StateBinding[]
      readonly settings: RuntimeSettings
    }
  | { readonly kind: 'run'; readonly program: number; readonly feeds: Readonly<Record<string, HostTensor>> }
  | { readonly kind: 'release'; readonly program: number }
  | { readonly kind: 'setState'; readonly values: Readonly<Record<string, HostTensor>> }
  | { readonly kind: 'getState'; readonly names: readonly string[] }
  /** Nothing that waits is begun; answered when nothing runs. */
  | { readonly kind: 'close' }

export type Reply =
  | { readonly id: number; readonly ok: true; readonly tensors: Readonly<Record<string, HostTensor>> }
  | { readonly id: number; readonly ok: false; readonly message: string }

export type Envelope = { readonly id: number; readonly request: Request }
