/** Pictures made from a seed: smooth shapes with some grain, so that resizing and compression have something to do. */
import { Random } from '#graft/base/random.js'
import { type RgbImage, resizeImage } from '#graft/platform/node.js'

/** A picture that looks the same at any size for one seed; `grain` is the deviation of its noise. */
export function testPhoto(width: number, height: number, seed: number, grain = 6): RgbImage {
  const random = new Random(seed, 'photo')
  const waves = Array.from({ length: 12 }, () => ({
    channel: random.integer(3),
    x: random.uniform(-14, 14),
    y: random.uniform(-14, 14),
    phase: random.uniform(0, 2 * Math.PI),
    height: random.uniform(15, 45),
  }))
  const base = [random.uniform(90, 160), random.uniform(90, 160), random.uniform(90, 160)]
  // sin(a + b) from tables of a row's and a column's sines: one picture of a few megapixels must not take seconds.
  const table = (edge: number, rate: number, phase: number) =>
    Array.from(
      { length: edge },
      (_, i) => [Math.sin((rate * i) / edge + phase), Math.cos((rate * i) / edge + phase)] as const,
    )
  const across = waves.map((wave) => table(width, wave.x, wave.phase))
  const down = waves.map((wave) => table(height, wave.y, 0))
  const data = new Uint8Array(width * height * 3)
  const pixel = [0, 0, 0]
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) pixel[c] = base[c]!
      for (let k = 0; k < waves.length; k++) {
        const [sinX, cosX] = across[k]![x]!
        const [sinY, cosY] = down[k]![y]!
        const wave = waves[k]!
        pixel[wave.channel] = pixel[wave.channel]! + wave.height * (sinX * cosY + cosX * sinY)
      }
      for (let c = 0; c < 3; c++) {
        const noise = grain === 0 ? 0 : grain * (random.uniform() + random.uniform() - 1) * 2
        data[(y * width + x) * 3 + c] = Math.max(0, Math.min(255, Math.round(pixel[c]! + noise)))
      }
    }
  return { width, height, data }
}

/** A photo of some megapixels, quick to make: coarse grain enlarged, so that its JPEG stays large. */
export async function largePhoto(width: number, height: number, seed: number): Promise<RgbImage> {
  return resizeImage(testPhoto(width / 2, height / 2, seed, 60), { width, height }, 'nearest')
}
