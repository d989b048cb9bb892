import Type, { type TObject, type TSchema } from 'typebox'

/** The rest of a path: Fastify's name for it, and the name of the parameter in descriptions. */
const WILDCARD = '*'
const NAME = 'path'

export interface DescribedPath {
  /** As Fastify writes it, with parameters such as `:id`. */
  readonly url: string
  readonly params: TObject | undefined
}

/** Replaces a wildcard by a path parameter, because neither OpenAPI nor AsyncAPI has wildcards. */
export function withoutWildcard({ url, params }: DescribedPath): DescribedPath {
  if (!url.endsWith(`/${WILDCARD}`) || params === undefined) return { url, params }
  const { [WILDCARD]: rest, ...others } = params.properties as Record<string, TSchema>
  return {
    url: `${url.slice(0, -WILDCARD.length)}:${NAME}`,
    params: Type.Object({ ...others, [NAME]: rest ?? Type.String() }),
  }
}
