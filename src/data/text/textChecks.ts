/** What makes a text odd though it can be used: counted over a data set, with the first place where it shows. */

/** Texts above this many letters are counted as very long: several times what encoders read. */
const VERY_LONG = 20_000

type Check = readonly [test: (text: string) => boolean, say: (count: string, first: string) => string]

const CHECKS: readonly Check[] = [
  [
    (text) => text.includes('&') && /&(amp|lt|gt|quot|apos|nbsp|#\d{2,6}|#x[\da-f]{2,5});/i.test(text),
    (count, first) =>
      `${count} HTML entities such as &amp; (first: ${first}). They are read as they are; decode them if the texts to predict have none.`,
  ],
  [
    (text) => text.includes('<') && /<(br|p|div|span|a|b|i|li|ul)\b[^<>]*\/?>/i.test(text),
    (count, first) =>
      `${count} HTML tags such as <br> (first: ${first}). They are read as they are; remove them if the texts to predict have none.`,
  ],
  [
    (text) => text.includes('\ufffd'),
    (count, first) =>
      `${count} the sign \ufffd, which stands for letters that an earlier conversion lost (first: ${first}). Export the data again as UTF-8 if you can.`,
  ],
  [
    (text) => /Ã[\u0080-\u00bf©¨¤¶¼Ÿ]|â€[™œ\u009d“”¦]|Â[\u00a0-\u00bf]/.test(text),
    (count, first) =>
      `${count} signs such as Ã© where é is meant (first: ${first}): UTF-8 was once read as Latin. Export the data again if you can.`,
  ],
  [
    (text) => text.length > VERY_LONG,
    (count, first) => `${count} more than ${VERY_LONG} letters (first: ${first}). A network reads the beginning only.`,
  ],
]

export class TextChecks {
  readonly #counts = CHECKS.map(() => 0)
  readonly #firsts: string[] = CHECKS.map(() => '')

  add(text: string, where: () => string): void {
    for (const [i, [test]] of CHECKS.entries()) {
      if (!test(text)) continue
      if (this.#counts[i] === 0) this.#firsts[i] = where()
      this.#counts[i]! += 1
    }
  }

  warnings(): string[] {
    return CHECKS.flatMap(([, say], i) => {
      const count = this.#counts[i]!
      return count === 0 ? [] : [say(count === 1 ? '1 text has' : `${count} texts have`, this.#firsts[i]!)]
    })
  }
}
