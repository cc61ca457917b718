/**
 * A typedoc plugin: the options of the verbs are types made from schemas, which hold their descriptions and defaults as data.
 * This puts them into the API reference.
 */
import { type Application, Comment, Converter, type DeclarationReflection, ReflectionKind } from 'typedoc'
import { describeOptions, format } from '#graft/tasks/schema.js'
import { VERBS } from '#graft/tasks/verbs.js'

const SCHEMAS = { TransferOptions: VERBS.train.schema, RankOptions: VERBS.rank.schema } as const

export function load(app: Application): void {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const [name, schema] of Object.entries(SCHEMAS)) {
      const owner = project.children?.find((child) => child.name === name && child.kindOf(ReflectionKind.Interface))
      if (owner === undefined) throw new Error(`typedoc found no interface ${name}`)
      const options = new Map(describeOptions(schema).map((option) => [option.key, option]))
      for (const property of owner.children ?? []) describe(property, options.get(property.name))
    }
  })
}

function describe(
  property: DeclarationReflection,
  option: ReturnType<typeof describeOptions>[number] | undefined,
): void {
  if (option === undefined || property.comment !== undefined) return
  const fallback = option.default === undefined ? '' : ` Default: \`${format(option.default)}\`.`
  const text = option.description.charAt(0).toUpperCase() + option.description.slice(1)
  property.comment = new Comment([{ kind: 'text', text: `${text}.${fallback}` }])
}
