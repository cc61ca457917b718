/** Every option of `graft generalise` and of the function of this name. */
import { z } from 'zod'
import { adaptSchema, network, reading } from '../adaptation/options.js'

const { shape } = adaptSchema

export const generaliseSchema = z.strictObject({
  source: z.array(z.string().min(1)).min(1).meta({
    description:
      'labelled photos or texts of one place, laid out as for `graft train`; given once for each place, two at least',
    placeholder: 'DATA',
    repeatable: true,
    group: 'Data and output',
  }),
  out: z.string().min(1).optional().meta({
    description: 'folder for the model, the report and the run file; generalised-model where it is not given',
    placeholder: 'DIR',
    group: 'Data and output',
  }),
  overwrite: shape.overwrite,
  ...reading,
  method: z.string().min(1).default('auto').meta({
    description:
      'auto tries all; else group-dro, irm, vrex or coral-across, with options in brackets. Training on all places together is kept wherever nothing is credibly better on places that were left out',
    placeholder: 'NAME',
    group: 'Generalisation',
  }),
  seed: shape.seed,
  ...network,
  hidden: shape.hidden,
  epochs: z.int().min(1).optional().meta({
    description: 'passes over the largest source; 30, and fewer (to 10) with more than 1,500 samples',
    group: 'Training',
  }),
  batch: z.int().min(1).max(4096).optional().meta({
    description: 'samples of each source in a step; 32, and up to 128 with more than 2,000 samples',
    group: 'Training',
  }),
  lr: shape.lr,
  threads: shape.threads,
  report: shape.report,
})

export type GeneraliseInput = z.input<typeof generaliseSchema>
export type GeneraliseOptions = z.output<typeof generaliseSchema>
