/**
 * What a file is by its first bytes, whatever its name says. Reading these few bytes is all that listing a data set costs;
 * whether the image is whole is found when it is decoded.
 */

/** Bytes from the start of a file that {@link sniff} needs. */
export const SNIFF_BYTES = 64

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'avif' | 'gif' | 'tiff'

/** A format that is read; or why the file is not, with `image` true where it is an image all the same. */
export type Sniffed =
  | { readonly format: ImageFormat }
  | { readonly format: undefined; readonly image: boolean; readonly reason: string; readonly remedy?: string }

const HEIC_REMEDY =
  'convert it to JPEG (`heif-convert a.heic a.jpg`, `sips -s format jpeg a.heic --out a.jpg` on a Mac) or set the iPhone to Settings > Camera > Formats > Most Compatible'
const CONVERT = 'convert it to JPEG or PNG (`magick photo.in photo.png`)'

/** File name endings that claim to be a photo. */
const IMAGE_NAMES =
  /\.(jpe?g|jfif|png|webp|avif|gif|tiff?|heic|heif|hif|bmp|jxl|jp2|j2k|ico|psd|svg|cr2|cr3|nef|arw|dng|orf|rw2|raf)$/i
const CAMERA_RAW = /\.(cr2|cr3|nef|arw|dng|orf|rw2|raf)$/i

/** Says what a file is from its first {@link SNIFF_BYTES} bytes, its size and its name. */
export function sniff(head: Uint8Array, size: number, name: string): Sniffed {
  if (size === 0) return { format: undefined, image: IMAGE_NAMES.test(name), reason: 'the file is empty (0 bytes)' }
  // Camera raw files are TIFF or HEIF containers whose first image is a preview.
  if (CAMERA_RAW.test(name)) return unsupported('a camera raw file is not read', 'export it as JPEG or TIFF')
  if (starts(head, [0xff, 0xd8, 0xff])) return { format: 'jpeg' }
  if (starts(head, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return { format: 'png' }
  const text = latin(head)
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return { format: 'gif' }
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return { format: 'webp' }
  if (/^(II[*+]\0|MM\0[*+])/.test(text)) return { format: 'tiff' }
  if (text.slice(4, 8) === 'ftyp') return isobmff(head, text)
  if (text.startsWith('BM') && bmpLength(head) === size) return unsupported('BMP is not read', CONVERT)
  if (starts(head, [0xff, 0x0a]) || text.slice(4, 8) === 'JXL ') return unsupported('JPEG XL is not read', CONVERT)
  if (text.slice(4, 8) === 'jP  ' || starts(head, [0xff, 0x4f, 0xff, 0x51]))
    return unsupported('JPEG 2000 is not read', CONVERT)
  if (text.startsWith('8BPS')) return unsupported('a Photoshop document is not read', 'export it as JPEG or PNG')
  if (starts(head, [0, 0, 1, 0]) && /\.ico$/i.test(name)) return unsupported('an icon file is not read', CONVERT)
  if (/^\s*<(\?xml|svg|!DOCTYPE svg)/i.test(text.replace(/^\u00ef\u00bb\u00bf/, '')) && /\.svg$/i.test(name))
    return unsupported('SVG is a drawing, not a photo', 'render it to PNG')
  const image = IMAGE_NAMES.test(name)
  const kind = isText(head) ? 'text' : 'no image that is known'
  const reason = image ? `named like an image, but its content is ${kind}` : `not an image (${kind})`
  return { format: undefined, image, reason }
}

function unsupported(reason: string, remedy: string): Sniffed {
  return { format: undefined, image: true, reason, remedy }
}

/** AVIF and HEIC share a container; the brands in its first box tell them apart. */
function isobmff(head: Uint8Array, text: string): Sniffed {
  const box = Math.min(head.length, new DataView(head.buffer, head.byteOffset, 4).getUint32(0))
  const brands: string[] = [text.slice(8, 12)]
  for (let at = 16; at + 4 <= box; at += 4) brands.push(text.slice(at, at + 4))
  if (brands.some((brand) => brand === 'avif' || brand === 'avis')) return { format: 'avif' }
  if (brands.some((brand) => /^(hei[cxms]|hev[cxms]|mif1|msf1)$/.test(brand)))
    return unsupported('HEIC (iPhone) photos are not read', HEIC_REMEDY)
  return { format: undefined, image: false, reason: 'not an image (a video or another media file)' }
}

function bmpLength(head: Uint8Array): number {
  return head.length < 6 ? -1 : new DataView(head.buffer, head.byteOffset, head.length).getUint32(2, true)
}

function starts(head: Uint8Array, magic: readonly number[]): boolean {
  return magic.length <= head.length && magic.every((byte, i) => head[i] === byte)
}

function latin(head: Uint8Array): string {
  let text = ''
  for (const byte of head) text += String.fromCharCode(byte)
  return text
}

function isText(head: Uint8Array): boolean {
  return head.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13)
}
