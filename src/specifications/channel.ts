/**
 * How a route describes its stream for AsyncAPI: a channel, the forms in which clients can follow it, and the messages of each
 * form. Every route that opens a stream declares its channels beside `config.stream`, and the document is made from them.
 */
import type { TSchema } from 'typebox'
import type { NDJSON } from '../bytes/media-type.js'

export interface StreamChannel {
  /** The key of the channel, and the prefix of messages that only it has. */
  readonly name: string
  readonly title: string
  readonly description: string
  /** The name of the operation: a verb and a noun in camelCase. Each form adds its suffix. */
  readonly operation: string
  /** Parameters of the route's query that do not belong to this channel. */
  readonly without?: readonly string[]
  /** Parameters of the route's query without which it is another channel. */
  readonly requires?: readonly string[]
  readonly forms: () => readonly StreamForm[]
}

export interface StreamForm {
  /** Added to the name of the operation; empty for the form that a client gets unless it asks for another. */
  readonly suffix: string
  readonly title: string
  readonly accept: 'text/event-stream' | typeof NDJSON
  /** The values of parameters that ask for this form. */
  readonly query: Readonly<Record<string, string>>
  readonly messages: readonly StreamMessage[]
}

export interface StreamMessage {
  /** The key of the message: letters, digits, `.`, `-` and `_`. Messages with the same key are the same in every channel. */
  readonly key: string
  readonly summary: string
  /** The name of the Server-Sent Event: one, or any that matches a schema. Undefined: it has none, or is a line. */
  readonly event?: string | TSchema
  /** The data of a Server-Sent Event, or the line. */
  readonly payload: object
  readonly example: unknown
  /** Whether the id of the block is that of an event, which the client stores. Default: the cursor, if the client has one. */
  readonly ofLog?: true
  /** The path below /schemas of the JSON Schema of its data, if there is one. */
  readonly schema?: string
}
