/** The events of durable streams, which the catalogue includes. Not reserved: a program may publish them in its own transaction. */
import Type from 'typebox'

export const CHUNK = 'chunk'
/** The type of an event that asks the writer of a stream to stop. */
export const CANCEL = 'chunk.cancel'

export const CHUNK_EVENTS = {
  [CHUNK]: {
    room: 'durable-streams',
    streams: ['other'],
    when: 'a message, or a part of one, was appended to a durable stream; the data has one of its members',
    data: Type.Object({
      json: Type.Optional(Type.Unknown({ description: 'A message of a JSON stream, as it was written.' })),
      text: Type.Optional(Type.String({ description: 'Bytes of a text.' })),
      base64: Type.Optional(Type.String({ description: 'Other bytes.' })),
    }),
    example: { text: 'Hello' },
  },
  [CANCEL]: {
    room: 'durable-streams',
    streams: ['other'],
    when: 'a client asks the writer of the stream to stop; a reader of the durable stream does not get it',
    data: Type.Object({ reason: Type.Optional(Type.String()) }),
    example: { reason: 'stopped by the user' },
  },
} as const
