/** What a user writes to name a model on the Hub: `org/name`, `org/name@revision`, `hf://org/name`, or the page's address. */
import { UsageError } from '../../base/errors.js'

export interface HubSpec {
  /** `org/name`. */
  readonly repo: string
  /** A branch, a tag, a pull request (`refs/pr/1`) or a commit. */
  readonly revision: string
}

export const DEFAULT_REVISION = 'main'

/** The Hub's rule for each of the two parts of an id. */
const PART = /^\w(?:[\w.-]*\w)?$/
const LONGEST_ID = 96

/** Endings of files: such a name is a path that was mistyped, not an id. */
const FILE_ENDING = /\.(onnx|json|txt|bin|pt|pth|h5|safetensors|tflite|git)$/i

/** The id and revision that a text stands for; undefined where it has not their form. */
export function parseHubSpec(text: string): HubSpec | undefined {
  const plain = fromAddress(text) ?? text.replace(/^hf:\/\/(models\/)?/, '')
  const at = plain.indexOf('@')
  const repo = at < 0 ? plain : plain.slice(0, at)
  const parts = repo.split('/')
  if (parts.length !== 2 || repo.length > LONGEST_ID || FILE_ENDING.test(repo)) return undefined
  if (!parts.every((part) => PART.test(part) && !part.includes('--') && !part.includes('..'))) return undefined
  return { repo, revision: at < 0 ? DEFAULT_REVISION : checkRevision(plain.slice(at + 1), repo) }
}

/** `https://huggingface.co/org/name`, with or without `/tree/REVISION` or `/blob/REVISION/FILE`. */
function fromAddress(text: string): string | undefined {
  const match =
    /^https?:\/\/(?:www\.)?(?:huggingface\.co|hf\.co)\/([^/?#]+\/[^/?#]+)(?:\/(?:tree|blob)\/([^/?#]+))?/.exec(text)
  if (!match) return undefined
  const [, repo, revision] = match
  return revision === undefined ? repo : `${repo}@${decodeURIComponent(revision)}`
}

/** Git's rules as far as they matter here: it becomes part of a path on the disk. */
function checkRevision(revision: string, repo: string): string {
  const parts = revision.split('/')
  const sound =
    revision.length <= 255 && parts.every((part) => /^[\w.+-]+$/.test(part) && part !== '.' && !part.includes('..'))
  if (!sound)
    throw new UsageError(`${repo}@${revision}: "${revision}" cannot be a revision.`, {
      remedy: 'Name a branch, a tag or a commit after the @, such as @main.',
    })
  return revision
}

/** A whole commit hash: what it stands for never changes. */
export const isCommit = (revision: string) => /^[0-9a-f]{40}$/.test(revision)
