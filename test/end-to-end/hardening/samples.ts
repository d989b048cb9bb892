/** From the schemas of the API's description: values that fit them, and the same with a text in each place of a text. */

export interface Schema {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly examples?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly else?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly minimum?: number
  readonly format?: string
}

const FORMATS: Readonly<Record<string, string>> = {
  uuid: '00000000-0000-4000-8000-000000000000',
  'date-time': '2036-01-01T00:00:00Z',
}

/** A value that fits, with every member that there may be. */
export function sampleOf(schema: Schema): unknown {
  const { type, anyOf, properties, items } = schema
  if ('const' in schema) return schema.const
  if (schema.enum) return schema.enum[0]
  if (schema.examples) return schema.examples[0]
  if (anyOf?.[0]) return sampleOf(anyOf[0])
  if (schema.else) return sampleOf(schema.else)
  if (properties) {
    return Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, sampleOf(each)]))
  }
  switch ([type].flat()[0]) {
    case 'array':
      return items ? [sampleOf(items)] : []
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    case 'object':
      return {}
    default:
      return FORMATS[schema.format ?? ''] ?? 'text'
  }
}

/** As JSON: the value with each text, in turn, in each place where it has a text; and as a name and a value in objects without members. */
export function withEachText(value: unknown, texts: readonly string[]): string[] {
  return placesIn(value).flatMap(put => texts.map(text => JSON.stringify(put(text))))
}

type Put = (text: string) => unknown

function placesIn(value: unknown): Put[] {
  if (typeof value === 'string') return [text => text]
  if (Array.isArray(value)) {
    return value.flatMap((each, at) =>
      placesIn(each).map(
        (put): Put =>
          text =>
            value.with(at, put(text)),
      ),
    )
  }
  if (typeof value !== 'object' || value === null) return []
  const own: Put[] = Object.keys(value).length === 0 ? [text => ({ [text]: text })] : []
  const inner = Object.entries(value).flatMap(([name, each]) =>
    placesIn(each).map(
      (put): Put =>
        text => ({ ...value, [name]: put(text) }),
    ),
  )
  return [...own, ...inner]
}
