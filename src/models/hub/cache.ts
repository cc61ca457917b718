/**
 * The Hub's cache on the disk, in the layout of Python's huggingface_hub, which both programs read and write:
 * `models--org--name/blobs/HASH` are the files, `snapshots/COMMIT/PATH` links to them, `refs/REVISION` holds a commit, and
 * `trees/COMMIT.json` lists what a commit has.
 */
import { fileStatus, linkOrCopy, listFiles, paths, readFileText, writeFileAtomic } from '#platform'
import { GraftError } from '../../base/errors.js'
import { isObject } from '../folderFiles.js'
import { blobName, type HubFile } from './listing.js'
import { isCommit } from './spec.js'

/** A file of a snapshot, as far as it is known without the Hub. */
export interface CachedFile {
  readonly path: string
  readonly size: number
}

const TREE_FORMAT = 1

export class RepoCache {
  /** `models--org--name`. */
  readonly folder: string
  readonly repo: string
  readonly #locks: string

  constructor(cache: string, repo: string) {
    this.repo = repo
    const name = `models--${repo.replaceAll('/', '--')}`
    this.folder = paths.join(cache, name)
    this.#locks = paths.join(cache, '.locks', name)
  }

  /** Held while files are fetched. Python's own locks lie beside it under other names. */
  get lock(): string {
    return paths.join(this.#locks, 'graft.lock')
  }

  snapshot(commit: string): string {
    return paths.join(this.folder, 'snapshots', commit)
  }

  /** Where a file of a commit lies; refuses names that lead elsewhere. */
  file(commit: string, path: string): string {
    return paths.join(this.snapshot(commit), ...safeParts(path, this.repo))
  }

  blob(file: HubFile): string {
    return paths.join(this.folder, 'blobs', blobName(file))
  }

  /**
   * What has come of a blob. Python's downloads have other names, so that the two never write to one file.
   */
  incomplete(file: HubFile): string {
    return `${this.blob(file)}.graft.incomplete`
  }

  /** How much of a blob has come, in bytes. */
  async begun(file: HubFile): Promise<number> {
    const found = await fileStatus(this.incomplete(file))
    return found === undefined || found.size > file.size ? 0 : found.size
  }

  /** The commit that a revision stood for when it was last asked. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision
    const text = await textOf(this.#ref(revision))
    const commit = text?.trim()
    return commit !== undefined && isCommit(commit) ? commit : undefined
  }

  async recordRevision(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return
    await writeFileAtomic(this.#ref(revision), commit)
  }

  #ref(revision: string): string {
    return paths.join(this.folder, 'refs', ...revision.split('/'))
  }

  /** Where the content of a file lies, as far as it is here as a whole: among the blobs, or in the snapshot itself. */
  async contentOf(commit: string, file: HubFile): Promise<string | undefined> {
    const found = await fileStatus(this.blob(file))
    if (found?.kind === 'file' && found.size === file.size) return this.blob(file)
    return (await this.has(commit, file)) ? this.file(commit, file.path) : undefined
  }

  /** Whether a file of a commit lies in its snapshot as a whole. */
  async has(commit: string, { path, size }: CachedFile): Promise<boolean> {
    const found = await fileStatus(this.file(commit, path))
    return found?.kind === 'file' && found.size === size
  }

  /** Lets the blob appear in the snapshot. */
  async link(commit: string, file: HubFile, links: boolean): Promise<void> {
    if (!(await this.has(commit, file))) await linkOrCopy(this.blob(file), this.file(commit, file.path), links)
  }

  /** Every file of a commit as the Hub listed it; undefined where that was not kept. */
  async listing(commit: string): Promise<HubFile[] | undefined> {
    const text = await textOf(this.#tree(commit))
    if (text === undefined) return undefined
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return undefined
    }
    if (!isObject(value) || value.format_version !== TREE_FORMAT || !isObject(value.files)) return undefined
    const files = Object.entries(value.files).map(([path, entry]) => toFile(path, entry))
    return files.every((file) => file !== undefined) ? files : undefined
  }

  async recordListing(commit: string, files: readonly HubFile[]): Promise<void> {
    const entries = [...files]
      .sort((a, b) => (a.path < b.path ? -1 : 1))
      .map(({ path, size, gitSha1, sha256, xetHash }) => [
        path,
        {
          size,
          blob_id: gitSha1,
          ...(sha256 === undefined ? {} : { lfs_sha256: sha256, lfs_size: size }),
          ...(xetHash !== undefined && /^[0-9a-f]{64}$/.test(xetHash) ? { xet_hash: xetHash } : {}),
        },
      ])
    const content = { format_version: TREE_FORMAT, files: Object.fromEntries(entries) }
    await writeFileAtomic(this.#tree(commit), JSON.stringify(content, undefined, 1))
  }

  #tree(commit: string): string {
    return paths.join(this.folder, 'trees', `${commit}.json`)
  }

  /** What lies in a snapshot, for one whose listing was not kept. */
  async present(commit: string): Promise<CachedFile[]> {
    const folder = this.snapshot(commit)
    if ((await fileStatus(folder))?.kind !== 'folder') return []
    const files: CachedFile[] = []
    for await (const { id, path } of listFiles(folder)) {
      const status = await fileStatus(path)
      if (status?.kind === 'file') files.push({ path: id, size: status.size })
    }
    return files
  }
}

function toFile(path: string, entry: unknown): HubFile | undefined {
  if (!isObject(entry)) return undefined
  const { size, blob_id: gitSha1, lfs_sha256: sha256, lfs_size: lfsSize, xet_hash: xetHash } = entry
  const isHash = (value: unknown, length: number): value is string =>
    typeof value === 'string' && value.length === length && /^[0-9a-f]+$/.test(value)
  if (typeof size !== 'number' || !isHash(gitSha1, 40)) return undefined
  if (sha256 !== undefined && !isHash(sha256, 64)) return undefined
  return {
    path,
    size: typeof lfsSize === 'number' ? lfsSize : size,
    gitSha1,
    sha256,
    xetHash: typeof xetHash === 'string' ? xetHash : undefined,
  }
}

async function textOf(path: string): Promise<string | undefined> {
  return (await fileStatus(path))?.kind === 'file' ? readFileText(path) : undefined
}

/** A repository could name its files so that they are written elsewhere, here or on Windows. */
function safeParts(path: string, repo: string): string[] {
  const parts = path.split('/')
  if (parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\p{Cc}]/u.test(part))) return parts
  throw new GraftError(`${repo} has a file with the name ${JSON.stringify(path)}, which Graft does not write.`, {
    remedy: 'Use another repository, and tell its owner.',
  })
}
