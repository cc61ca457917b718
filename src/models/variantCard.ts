/** The model card's section on smaller files, written anew whenever one is exported. */

/** What the section says of a file. */
export interface CardVariant {
  readonly dtype: string
  readonly file: string
  readonly bytes: number
  readonly measured?:
    | {
        readonly photos: number
        /** What these are. @default photos */
        readonly unit?: string | undefined
        /** What `accuracy` holds. @default accuracy */
        readonly measure?: string | undefined
        readonly accuracy: { readonly before: number; readonly after: number }
        readonly largestDifference: number
      }
    | undefined
}

const HEADING = '## Smaller files'

/** The card with the section at its end, in place of an earlier one. */
export function withVariants(card: string, variants: readonly CardVariant[]): string {
  const start = card.indexOf(`${HEADING}\n`)
  const next = start < 0 ? -1 : card.indexOf('\n## ', start + HEADING.length)
  const kept = start < 0 ? card : `${card.slice(0, start)}${next < 0 ? '' : card.slice(next + 1)}`
  const shown = ({ measure, accuracy }: NonNullable<CardVariant['measured']>, when: 'before' | 'after') =>
    measure === 'R2' ? accuracy[when].toFixed(3) : `${(100 * accuracy[when]).toFixed(1)}%`
  const rows = variants.map(({ dtype, file, bytes, measured }) => {
    const cost = measured
      ? [
          `${measured.measure === undefined || measured.measure === 'accuracy' ? '' : `${measured.measure} `}${shown(measured, 'after')} (${shown(measured, 'before')} before, ${measured.photos} ${measured.unit ?? 'photos'})`,
          measured.largestDifference.toFixed(4),
        ]
      : ['not measured', 'not measured']
    return `| \`${dtype}\` | \`${file}\` | ${(bytes / 1e6).toFixed(1)} MB | ${cost.join(' | ')} |`
  })
  return [
    kept.trimEnd(),
    '',
    HEADING,
    '',
    'Nearly the same network with its weights stored smaller; choose one with the option `dtype` of transformers.js.',
    '',
    '| dtype | file | size | accuracy | largest difference of a probability |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}
