/** A client of a stream as the readers of the stream may see it, from whichever node holds it. */
import Type, { type Static } from 'typebox'

export const StreamClient = Type.Object(
  {
    principal: Type.String(),
    since: Type.String({
      format: 'date-time',
      description: 'When the stream was opened, by the clock of its node.',
    }),
    cursor: Type.String({
      description: 'Up to this event id, everything was written to the client, or left out by its filter.',
    }),
    lag_events: Type.Integer({
      description: 'Events between its cursor and the newest event that its node knows.',
    }),
    node: Type.String({ description: 'The process that holds it.' }),
  },
  { title: 'StreamClient' },
)
export type StreamClient = Static<typeof StreamClient>

/** A client with its place in the list over all nodes: its node, and its number in the order of arrival there, such as `5c9f6d0e.17`. */
export interface PlacedClient {
  readonly node: string
  readonly ordinal: number
  readonly client: StreamClient
}

export const PLACE = /^[0-9a-f]{8}\.[0-9]{1,15}$/

export function placeOf({ node, ordinal }: PlacedClient): string {
  return `${node}.${ordinal}`
}

/**
 * Where the clients of a node continue a list, as the ordinal that they come after; undefined if none of them does.
 * @param after the place of the last client of the page before; empty for the first page.
 */
export function continuesAfter(node: string, after: string): number | undefined {
  const [last = '', ordinal] = after.split('.')
  if (node < last) return undefined
  return node === last ? Number(ordinal) : 0
}

/** The clients of all nodes in the order of their places. */
export function inOrder(clients: readonly PlacedClient[]): PlacedClient[] {
  return [...clients].sort((one, other) =>
    one.node === other.node ? one.ordinal - other.ordinal : one.node < other.node ? -1 : 1,
  )
}
