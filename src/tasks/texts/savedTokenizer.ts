/** The tokenizer that lies in a model folder. */
import { loadTokenizer, type Tokenizer } from '../../data/tokenizer.js'
import type { ModelFolderContents } from '../../models/modelFolder.js'

/** Tokens that are read where the folder does not say. */
const MOST = 512

export function savedTokenizer({
  files = {},
  record,
  maxLength,
}: Pick<ModelFolderContents, 'files' | 'record' | 'maxLength'>): { tokenizer: Tokenizer; maxLength: number } {
  const parsed = (name: string) => (files[name] === undefined ? undefined : JSON.parse(files[name]))
  const tokenizer = loadTokenizer({
    tokenizer: files['tokenizer.json'] ?? '',
    config: parsed('tokenizer_config.json'),
    specialTokens: parsed('special_tokens_map.json'),
  })
  return { tokenizer, maxLength: maxLength ?? (typeof record.maxLength === 'number' ? record.maxLength : MOST) }
}
