/** Feature statistics as named tensors, for a safetensors file beside a saved model. */
import { GraftError } from '../../base/errors.js'
import { matrix } from '../../base/matrix.js'
import type { SafetensorsFile, StoredTensor } from '../../base/safetensors.js'
import type { FeatureStatistics } from './featureStatistics.js'
import { OUTLIER_SCORES, type OutlierScore } from './outlierScores.js'

/** Raised when what is written changes its meaning. */
const FORMAT = '1'

export function encodeStatistics(statistics: FeatureStatistics): SafetensorsFile {
  const { axes, quantiles, reservoir, unseen, gaussians, calibration } = statistics
  const k = gaussians.means.columns
  const tensors: Record<string, StoredTensor> = {
    mean: float([axes.mean.length], axes.mean),
    axes: float([axes.axes.rows, axes.axes.columns], axes.axes.data),
    variances: float([axes.variances.length], axes.variances),
    quantiles: float([quantiles.rows, quantiles.columns], quantiles.data),
    reservoir: float([reservoir.rows, reservoir.columns], reservoir.data),
    unseen: float([unseen.rows, unseen.columns], unseen.data),
    class_means: float([gaussians.means.rows, k], gaussians.means.data),
    covariance_factor: float([k, k], gaussians.factor),
  }
  for (const [name, scores] of Object.entries(calibration))
    tensors[`calibration.${name}`] = float([scores.length], scores)
  return { tensors, metadata: { format: FORMAT, samples: String(statistics.samples) } }
}

/** @throws GraftError where the file is of another format or lacks a tensor. */
export function decodeStatistics(file: SafetensorsFile, where = 'feature statistics'): FeatureStatistics {
  if (file.metadata.format !== FORMAT) {
    throw new GraftError(`${where}: the format is ${file.metadata.format ?? 'not named'}; expected ${FORMAT}.`, {
      remedy: 'Save the model again with this version.',
    })
  }
  const read = (name: string, rank: number) => {
    const tensor = file.tensors[name]
    if (!(tensor?.data instanceof Float32Array) || tensor.dims.length !== rank) {
      throw new GraftError(`${where}: the float32 tensor ${name} of ${rank} dimensions is missing.`, {
        remedy: 'The file is damaged; save the model again.',
      })
    }
    return { dims: tensor.dims, data: tensor.data }
  }
  const readMatrix = (name: string) => {
    const { dims, data } = read(name, 2)
    return matrix(dims[0]!, dims[1]!, Float32Array.from(data))
  }
  const calibration: Partial<Record<OutlierScore, Float32Array>> = {}
  for (const name of Object.keys(OUTLIER_SCORES) as OutlierScore[])
    if (file.tensors[`calibration.${name}`]) calibration[name] = read(`calibration.${name}`, 1).data
  return {
    samples: Number(file.metadata.samples),
    axes: {
      mean: read('mean', 1).data,
      axes: readMatrix('axes'),
      variances: Float64Array.from(read('variances', 1).data),
    },
    quantiles: readMatrix('quantiles'),
    reservoir: readMatrix('reservoir'),
    unseen: readMatrix('unseen'),
    gaussians: {
      means: readMatrix('class_means'),
      factor: Float64Array.from(readMatrix('covariance_factor').data),
    },
    calibration,
  }
}

function float(dims: readonly number[], data: ArrayLike<number>): StoredTensor {
  return { type: 'float32', dims, data: data instanceof Float32Array ? data : Float32Array.from(data) }
}
