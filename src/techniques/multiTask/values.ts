/** Every weighting and every architecture on features by its name in code. */
import { crossStitch } from './architectures/crossStitch.js'
import { hardSharing } from './architectures/hardSharing.js'
import { mmoe } from './architectures/mmoe.js'
import { cgc, ple } from './architectures/ple.js'
import { alignedMtl } from './gradients/alignedMtl.js'
import { cagrad } from './gradients/cagrad.js'
import { gradDrop } from './gradients/gradDrop.js'
import { imtlG } from './gradients/imtlG.js'
import { mgda } from './gradients/mgda.js'
import { nashMtl } from './gradients/nashMtl.js'
import { pcgrad } from './gradients/pcgrad.js'
import { upgrad } from './gradients/upgrad.js'
import { dwa } from './weighting/dwa.js'
import { equal, fixed } from './weighting/equal.js'
import { famo } from './weighting/famo.js'
import { geometric } from './weighting/geometric.js'
import { gradNorm } from './weighting/gradNorm.js'
import { imtlL } from './weighting/imtlL.js'
import { rlw } from './weighting/rlw.js'
import { stch } from './weighting/stch.js'
import { uncertainty } from './weighting/uncertainty.js'

/** How the losses of several tasks are weighed, or their gradients combined: `weightings.dwa({ temperature: 2 })`. */
export const weightings = Object.freeze({
  equal,
  fixed,
  uncertainty,
  dwa,
  rlw,
  gradNorm,
  famo,
  stch,
  imtlL,
  geometric,
  pcgrad,
  mgda,
  cagrad,
  nashMtl,
  alignedMtl,
  imtlG,
  gradDrop,
  upgrad,
})

/** How several tasks share a network on features: `architectures.mmoe({ experts: 4 })`. */
export const architectures = Object.freeze({ hardSharing, crossStitch, mmoe, cgc, ple })
