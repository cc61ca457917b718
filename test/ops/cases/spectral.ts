/** Fourier transforms, windows and filter banks. */
import { float32, int64 } from '#graft/graph/tensor.js'
import { constant, int, type OperatorCase, omitted, plain, scalarInt, use, x } from './case.js'

const number = (value: number) => constant(float32([], [value]))

const transforms = [{}, { inverse: int(1) }].flatMap((attributes) => [
  use('DFT', [x([2, 6, 1]), omitted, scalarInt(1)], { attributes }),
  use('DFT', [x([2, 5, 2]), omitted, scalarInt(1)], { attributes }),
  use('DFT', [x([2, 5, 2])], { attributes }),
  use('DFT', [x([4, 3, 2]), omitted, scalarInt(0)], { attributes }),
  use('DFT', [x([4, 3, 2]), omitted, scalarInt(-2)], { attributes }),
  use('DFT', [x([2, 6, 1]), scalarInt(8), scalarInt(1)], { attributes }),
  use('DFT', [x([2, 6, 2]), scalarInt(4), scalarInt(1)], { attributes }),
])

/** The discrete Fourier transform of complex numbers, as its definition says. */
function transformed(values: readonly number[]): number[] {
  const n = values.length / 2
  return Array.from({ length: 2 * n }, (_, at) => {
    const [k, imaginary] = [Math.floor(at / 2), at % 2 === 1]
    let sum = 0
    for (let t = 0; t < n; t++) {
      const angle = (2 * Math.PI * k * t) / n
      const [re, im] = [values[2 * t] as number, values[2 * t + 1] as number]
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
      sum += imaginary ? im * cos - re * sin : re * cos + im * sin
    }
    return sum
  })
}

const signal = Array.from({ length: 24 }, (_, i) => ((i * 7) % 11) / 4 - 1)

const onesided = { onesided: int(1) }
const halved = { ...onesided, inverse: int(1) }

export const spectralCases: readonly OperatorCase[] = [
  ...transforms,
  use('DFT', [x([2, 6, 1]), omitted, scalarInt(1)], { attributes: onesided }),
  use('DFT', [x([2, 7, 1]), omitted, scalarInt(1)], { attributes: onesided }),
  use('DFT', [x([2, 6, 1]), scalarInt(9), scalarInt(1)], { attributes: onesided }),
  use('DFT', [x([3, 6, 1]), scalarInt(4), scalarInt(1)], { attributes: onesided }),
  ...[
    [2, 4, 2],
    [2, 5, 2],
  ].map((dims) => use('DFT', [x(dims), omitted, scalarInt(1)], { attributes: halved })),
  use('DFT', [x([2, 4, 2]), scalarInt(7), scalarInt(1)], { attributes: halved }),
  use('DFT', [x([2, 4, 2]), scalarInt(4), scalarInt(1)], { attributes: halved, note: 'a cut spectrum' }),
  use('DFT', [x([4, 3, 2]), scalarInt(6), scalarInt(0)], { attributes: halved }),
  use('DFT', [x([2, 5, 1])], { opset: 17 }),
  use('DFT', [x([4, 3, 2]), scalarInt(6)], { opset: 19, attributes: { axis: int(0) } }),
  use('DFT', [x([2, 3, 2]), scalarInt(8), scalarInt(1)], { opset: 20, attributes: halved, expected: [] }),
  // 1 + 2 cos(2 pi n / 8), over 8: the mean and one wave, from a spectrum of which three bins are missing
  use('DFT', [plain([1, 2, 2], [1, 0, 1, 0]), scalarInt(8), scalarInt(1)], {
    opset: 20,
    attributes: halved,
    expected: [Array.from({ length: 8 }, (_, n) => (1 + 2 * Math.cos((Math.PI * n) / 4)) / 8)],
    note: 'half a spectrum that is too short',
  }),
  use('STFT', [x([2, 16, 1]), scalarInt(4), x([8])], { opset: 17 }),
  use('STFT', [x([2, 16, 1]), scalarInt(3), omitted, scalarInt(8)], { opset: 17 }),
  use('STFT', [x([1, 17, 1]), scalarInt(5), x([6]), scalarInt(6)], { opset: 17, attributes: onesided }),
  use('STFT', [x([1, 16, 2]), scalarInt(4), x([8])], {
    opset: 17,
    attributes: { onesided: int(0) },
    expected: [],
    note: 'complex',
  }),
  use('STFT', [plain([1, 12, 2], signal), scalarInt(4), omitted, scalarInt(8)], {
    opset: 17,
    attributes: { onesided: int(0) },
    expected: [[0, 4].flatMap((from) => transformed(signal.slice(2 * from, 2 * from + 16)))],
    note: 'complex, which onnxruntime transforms as if it were real',
  }),
  use('STFT', [plain([1, 12, 2], signal), scalarInt(4)], {
    opset: 17,
    attributes: { onesided: int(0) },
    expected: [transformed(signal)],
    note: 'one frame',
  }),
  use('STFT', [x([2, 6, 1]), scalarInt(4)], { opset: 17, expected: [], note: 'one frame' }),
  ...['HannWindow', 'HammingWindow', 'BlackmanWindow'].flatMap((opType) =>
    [{}, { periodic: int(0) }].map((attributes) => use(opType, [scalarInt(9)], { attributes })),
  ),
  ...[
    [8, 16, 8000, 0, 4000],
    [10, 64, 16000, 100, 7600],
  ].map(([bins, length, rate, low, high]) =>
    use('MelWeightMatrix', [
      ...[bins, length, rate].map((v) => constant(int64([], [v as number]))),
      number(low as number),
      number(high as number),
    ]),
  ),
]
