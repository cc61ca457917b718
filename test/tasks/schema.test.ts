import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { UsageError } from '#graft/base/errors.js'
import { describeOptions, parseOptions } from '#graft/tasks/schema.js'

const schema = z.strictObject({
  data: z.string().meta({ description: 'photos', positional: 'DATA' }),
  rate: z.number().positive().max(1).default(0.1).meta({ description: 'a rate', group: 'Rates' }),
  share: z
    .union([z.literal('auto'), z.number().min(0).lt(1)])
    .default('auto')
    .meta({ description: 'a share' }),
  size: z.array(z.number()).length(2).optional().meta({ description: 'a size' }),
  kind: z.enum(['big', 'small']).default('big').meta({ description: 'a kind' }),
  quiet: z.boolean().default(true).meta({ description: 'quiet' }),
})

test('a schema says what its options are', () => {
  const found = Object.fromEntries(describeOptions(schema).map((o) => [o.key, o]))
  assert.deepEqual(
    { flag: found.data?.flag, positional: found.data?.positional, required: found.data?.required },
    { flag: 'DATA', positional: true, required: true },
  )
  assert.equal(found.rate?.expected, 'a number above 0 and of at most 1')
  assert.equal(found.rate?.group, 'Rates')
  assert.equal(found.share?.kind, 'word-or-number')
  assert.equal(found.share?.expected, 'auto or a number of at least 0 and below 1')
  assert.equal(found.size?.expected, '2 numbers with commas between them')
  assert.deepEqual(found.kind?.choices, ['big', 'small'])
  assert.equal(found.quiet?.negated, true)
})

test('defaults are filled in and mistakes are named as the library calls them', () => {
  assert.deepEqual(parseOptions(schema, { data: 'x' }), {
    data: 'x',
    rate: 0.1,
    share: 'auto',
    kind: 'big',
    quiet: true,
  })
  const refuse = (value: unknown, message: RegExp) =>
    assert.throws(
      () => parseOptions(schema, value),
      (error: unknown) => error instanceof UsageError && message.test(`${error.message} ${error.remedy ?? ''}`),
    )
  refuse({ data: 'x', rate: 2 }, /option "rate" is 2; expected a number above 0 and of at most 1\./)
  refuse({ data: 'x', rat: 2 }, /no option "rat"\. Did you mean option "rate"\?/)
  refuse({ data: 'x', kind: 'bigg' }, /option "kind" is "bigg"; expected one of big, small\. Did you mean big\?/)
  refuse({}, /option "data" is missing: photos\./)
})
