/** The options of the verb `backbones`. */
import { z } from 'zod'

export const backbonesSchema = z.strictObject({
  kind: z.enum(['image', 'text']).optional().meta({ description: 'only those that read photos, or texts' }),
})
