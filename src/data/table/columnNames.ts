/** What columns are called by custom. Names are compared without case, spaces and punctuation: `Review_Text` is `reviewtext`. */

/** Names of a column of texts, in tiers: the first that a table has decides. */
export const TEXT_NAMES: readonly (readonly string[])[] = [
  ['text', 'texts'],
  [
    ...['sentence', 'review', 'reviewtext', 'reviewbody', 'reviewcontent', 'content', 'comment', 'commenttext', 'body'],
    ...[
      'message',
      'tweet',
      'tweettext',
      'document',
      'utterance',
      'post',
      'article',
      'transcript',
      'statement',
      'passage',
    ],
    ...[
      'phrase',
      'feedback',
      'news',
      'fulltext',
      'cleantext',
      'rawtext',
      'inputtext',
      'input',
      'email',
      'sms',
      'dialogue',
    ],
  ],
  ['title', 'headline', 'subject', 'summary', 'description', 'question', 'query', 'prompt', 'caption', 'name'],
]

/** Names of two columns that are read as a pair of texts. */
export const PAIR_NAMES: readonly (readonly [string, string])[] = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['question1', 'question2'],
  ['text1', 'text2'],
  ['texta', 'textb'],
  ['sentencea', 'sentenceb'],
  ['question', 'sentence'],
  ['question', 'passage'],
  ['question', 'context'],
  ['query', 'passage'],
  ['query', 'document'],
  ['claim', 'evidence'],
]

/** Names of a column of labels, in tiers. */
export const LABEL_NAMES: readonly (readonly string[])[] = [
  ['label', 'labels'],
  ['class', 'classes', 'category', 'categories', 'target', 'targets', 'y'],
  [
    ...['sentiment', 'rating', 'ratings', 'stars', 'star', 'score', 'polarity', 'intent', 'topic', 'topics', 'emotion'],
    ...['emotions', 'tag', 'tags', 'genre', 'genres', 'grade', 'output', 'overall', 'starrating', 'spam', 'isspam'],
  ],
]

/** Names that a numbered label's words go by, beside a column that numbers them. */
export const LABEL_WORDS = ['labeltext', 'labelname', 'labelnames', 'labelstr', 'classname', 'categoryname']

export const SPLIT_NAMES = ['split', 'set', 'subset', 'partition', 'fold']

/** Names of a column of lists of words, and of the lists of their labels. */
export const WORDS_NAMES = ['tokens', 'words', 'token']
export const WORD_LABEL_NAMES: readonly (readonly string[])[] = [
  ['nertags', 'ner', 'entities'],
  ['tags', 'labels', 'label', 'tag'],
  ['postags', 'pos', 'upos', 'chunktags'],
]

/** Names of a column of paths of photos. */
export const IMAGE_NAMES = ['path', 'image', 'file', 'filename', 'photo', 'img', 'imagepath']

/** Names of columns that are seldom more than an account of the row. */
const OTHER_NAMES = [
  'id',
  'index',
  'idx',
  'date',
  'user',
  'author',
  'url',
  'lang',
  'language',
  'time',
  'source',
  'number',
]

/** A name without case, spaces and punctuation. */
export function plainName(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_.\-/()[\]#:]+/g, '')
}

/** Whether a word is one that columns are called by. */
export function isColumnName(word: string): boolean {
  const plain = plainName(word)
  if (plain === '') return false
  const known = [
    ...[...TEXT_NAMES, ...LABEL_NAMES, ...PAIR_NAMES, ...WORD_LABEL_NAMES].flat(),
    ...[...LABEL_WORDS, ...SPLIT_NAMES, ...WORDS_NAMES, ...IMAGE_NAMES, ...OTHER_NAMES],
  ]
  return known.includes(plain)
}
