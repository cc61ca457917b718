/**
 * How many inputs a node must have at least, none of them omitted: what the standard's operators (opset 7 to 26) and
 * onnxruntime's own say of themselves. Checked before a row of the table is asked, which may rely on it.
 */
import { GraftError } from '../base/errors.js'
import { describeNode, type Node } from '../graph/graph.js'
import { MICROSOFT } from './operator.js'

type Listing = Readonly<Record<number, string>>

const STANDARD: Listing = {
  1: `
    Abs Acos Acosh ArgMax ArgMin Asin Asinh Atan Atanh AveragePool Bernoulli BitCast BitwiseNot BlackmanWindow
    Cast Ceil Celu Clip Concat ConcatFromSequence ConstantOfShape Cos Cosh DFT DepthToSpace Det Dropout
    DynamicQuantizeLinear Einsum Elu Erf Exp EyeLike Flatten Floor Gelu GlobalAveragePool GlobalLpPool
    GlobalMaxPool HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If IsInf IsNaN LRN LeakyRelu
    Log LogSoftmax LpNormalization LpPool Max MaxPool Mean MeanVarianceNormalization Min Mish Multinomial Neg
    NonZero Not OptionalGetElement Pad RandomNormalLike RandomUniformLike Reciprocal ReduceL1 ReduceL2
    ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Resize
    Round Selu SequenceConstruct SequenceErase SequenceLength SequenceMap Shape Shrink Sigmoid Sign Sin Sinh
    Size Slice Softmax Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt Squeeze Sum Swish Tan Tanh
    ThresholdedRelu TopK Transpose Trilu Unique Unsqueeze Upsample
  `,
  2: `
    Add AffineGrid And BitShift BitwiseAnd BitwiseOr BitwiseXor CastLike CausalConvWithState CenterCropPad
    Compress Conv ConvInteger ConvTranspose CumProd CumSum DequantizeLinear Div Equal Expand Gather
    GatherElements GatherND Gemm Greater GreaterOrEqual GridSample LayerNormalization Less LessOrEqual MatMul
    MatMulInteger MaxRoiPool MaxUnpool Mod Mul NegativeLogLikelihoodLoss NonMaxSuppression Or PRelu Pow
    QuantizeLinear RMSNormalization Reshape ReverseSequence STFT SequenceAt SequenceInsert
    SoftmaxCrossEntropyLoss Sub SwiGLU TensorScatter Tile Xor
  `,
  3: `
    Attention Col2Im DeformConv GRU GroupNormalization InstanceNormalization LSTM LinearAttention OneHot RNN
    Range RoiAlign RotaryEmbedding Scatter ScatterElements ScatterND Where
  `,
  5: `
    BatchNormalization MelWeightMatrix
  `,
  8: `
    QLinearConv QLinearMatMul
  `,
}

const ONNXRUNTIME: Listing = {
  1: `
    DecoderMaskedMultiHeadAttention EmbedLayerNormalization FastGelu Gelu GroupQueryAttention Inverse Irfft
    MultiHeadAttention NhwcMaxPool QuickGelu Rfft Trilu
  `,
  2: `
    Attention BiasDropout BiasGelu BiasSoftmax BiasSplitGelu CDist ComplexMul DequantizeLinear ExpandDims
    FusedConv FusedGemm FusedMatMul GemmFastGelu GridSample NhwcConv QLinearAdd QuantizeLinear Range
    TransposeMatMul
  `,
  3: `
    BiasAdd DynamicQuantizeMatMul GatherBlockQuantized GroupNorm MatMulBnb4 MatMulNBits RelativePositionBias
    SkipLayerNormalization SkipSimplifiedLayerNormalization
  `,
  4: `
    MatMulIntegerToFloat RotaryEmbedding SkipGroupNorm
  `,
  6: `
    GatedRelativePositionBias
  `,
}

/** Operators that need more inputs since an opset: what used to be attributes. */
const SINCE: Readonly<Record<string, readonly [opset: number, inputs: number]>> = {
  Pad: [11, 2],
  Slice: [10, 3],
  TopK: [10, 2],
  Unsqueeze: [13, 2],
  Upsample: [9, 2],
}

const counts = (listing: Listing): ReadonlyMap<string, number> =>
  new Map(
    Object.entries(listing).flatMap(([count, names]) =>
      names
        .trim()
        .split(/\s+/)
        .map((name) => [name, Number(count)] as const),
    ),
  )

const REQUIRED: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map([
  ['', counts(STANDARD)],
  [MICROSOFT, counts(ONNXRUNTIME)],
])

/** @throws GraftError naming the input that is missing */
export function checkInputs(node: Node, opset: number): void {
  const since = node.domain === '' && Object.hasOwn(SINCE, node.opType) ? SINCE[node.opType] : undefined
  const least = since && opset >= since[0] ? since[1] : (REQUIRED.get(node.domain)?.get(node.opType) ?? 0)
  for (let i = 0; i < least; i++)
    if ((node.inputs[i] ?? '') === '')
      throw new GraftError(`${describeNode(node)} lacks its input ${i}; it takes at least ${least}.`, {
        remedy: 'The file is damaged; export it again.',
      })
}
