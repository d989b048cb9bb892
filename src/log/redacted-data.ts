/** The data that redaction puts in the place of an event's own, and in that of a job's result. */
import Type from 'typebox'

export const RedactedData = Type.Object(
  { redacted: Type.Literal(true), reason: Type.String(), at: Type.String({ format: 'date-time' }) },
  {
    title: 'Redacted',
    description: 'In place of data that an admin has erased.',
    additionalProperties: false,
  },
)

/** Whether this is such data. An application that publishes the same is taken for it. */
export function isRedacted(data: Readonly<Record<string, unknown>>): boolean {
  const { redacted, reason, at } = data
  const isWhole = redacted === true && typeof reason === 'string' && typeof at === 'string'
  return isWhole && Object.keys(data).length === 3
}
