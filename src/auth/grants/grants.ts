/**
 * The grants of a principal: the streams and types of events that it may read and write, below its role. They only take away:
 * what the role does not allow stays refused. A principal without grants may do what its role says.
 *
 * A list that is left out grants no stream; `types` that are left out leave all types of the granted streams.
 */
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { NamePatterns } from '../../log/name-patterns.js'
import { FORM } from '../../openapi/described.js'

/** Streams in each of the lists. */
const MAX_STREAMS = 64
/** As in a filter of types. */
const MAX_TYPES = 32
const MAX_NAME_LENGTH = 256

/** A name of a stream or a prefix; a job of a project also goes by `project/<project>/<id>` (src/jobs/job-grants.ts). */
const StreamTerm = Type.String({
  pattern: '^(project/[^\\x00-\\x1F\\x7F-\\x9F*]*|[A-Za-z0-9][A-Za-z0-9._:/-]*)?\\*?$',
  minLength: 1,
  maxLength: MAX_NAME_LENGTH,
  [FORM]: 'the name of a stream, or a prefix that ends in *',
  examples: ['orders/*'],
})
const TypeTerm = Type.String({
  pattern: '^([A-Za-z][A-Za-z0-9._:/-]{0,127})?\\*?$',
  minLength: 1,
  [FORM]: 'the name of a type, or a prefix that ends in *',
  examples: ['item.*'],
})
const listOf = <Term extends Type.TSchema>(term: Term, maxItems: number, description: string) =>
  Type.Array(term, { maxItems, description })

export const GrantsDocument = Type.Object(
  {
    subscribe: Type.Optional(
      listOf(StreamTerm, MAX_STREAMS, 'The streams that the caller may read. Left out: none.'),
    ),
    publish: Type.Optional(
      listOf(StreamTerm, MAX_STREAMS, 'The streams that the caller may write to. Left out: none.'),
    ),
    types: Type.Optional(
      listOf(TypeTerm, MAX_TYPES, 'The types of events that it may read and write. Left out: all.'),
    ),
  },
  { title: 'Grants', additionalProperties: false },
)
export type GrantsDocument = Static<typeof GrantsDocument>

/** The grants of a caller, which need not be limited; null: all that its role allows. */
export const OptionalGrants = Type.Union([GrantsDocument, Type.Null()], {
  description: 'The streams and types to which the caller is limited. Null: all that its role allows.',
})

export class Grants {
  /** Equal for equal grants. */
  readonly key: string

  private constructor(
    readonly subscribe: NamePatterns,
    readonly publish: NamePatterns,
    readonly types: NamePatterns,
  ) {
    this.key = [subscribe, publish, types].map(({ key }) => key).join(' ')
  }

  static of({ subscribe = [], publish = [], types }: GrantsDocument): Grants {
    return new Grants(
      NamePatterns.of(subscribe),
      NamePatterns.of(publish),
      types ? NamePatterns.of(types) : NamePatterns.ALL,
    )
  }

  get document(): Required<GrantsDocument> {
    return { subscribe: this.subscribe.terms, publish: this.publish.terms, types: this.types.terms }
  }

  /** The grants that both allow. */
  and(other: Grants): Grants {
    return this.key === other.key
      ? this
      : new Grants(
          this.subscribe.and(other.subscribe),
          this.publish.and(other.publish),
          this.types.and(other.types),
        )
  }

  /** Whether `other` allows all that these grants allow. */
  isWithin(other: Grants): boolean {
    return (
      this.subscribe.isWithin(other.subscribe) &&
      this.publish.isWithin(other.publish) &&
      this.types.isWithin(other.types)
    )
  }
}

/** The grants that both allow; undefined, which takes nothing away, only if both are. */
export function both(one: Grants | undefined, other: Grants | undefined): Grants | undefined {
  return one && other ? one.and(other) : (one ?? other)
}

/** Whether a caller with the grants `own` may give `given` to another caller. */
export function mayGive(own: Grants | undefined, given: Grants | undefined): boolean {
  return own === undefined || (given?.isWithin(own) ?? false)
}

/** @returns undefined if the value is not of the form of grants. */
export function readGrants(value: unknown): Grants | undefined {
  return Value.Check(GrantsDocument, value) ? Grants.of(value) : undefined
}

/** Grants that were stored, as JSON text. A text that this version cannot read grants nothing. */
export function storedGrants(text: string | null): Grants | undefined {
  return text === null ? undefined : (readGrants(JSON.parse(text)) ?? Grants.of({}))
}

/** The rule, for messages about a malformed value. */
export const GRANTS_RULE =
  `an object with lists of at most ${MAX_STREAMS} streams in \`subscribe\` and \`publish\` and of at most ${MAX_TYPES} types ` +
  'in `types`, each a name or a prefix that ends in *'
