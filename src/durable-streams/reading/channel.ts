/** The live form of Durable Streams as AsyncAPI describes it. docs/durable-streams.md explains it. */
import Type from 'typebox'
import type { StreamChannel } from '../../specifications/channel.js'

const Control = Type.Object({
  streamNextOffset: Type.String({ description: 'The offset up to which the client has everything.' }),
  streamCursor: Type.Optional(
    Type.String({ description: 'Send it back as `cursor` with the next request.' }),
  ),
  upToDate: Type.Optional(Type.Literal(true, { description: 'Nothing more is stored.' })),
  streamClosed: Type.Optional(
    Type.Literal(true, { description: 'Nothing more will come: do not reconnect.' }),
  ),
})

export const durableChannel: StreamChannel = {
  name: 'durable-streams',
  title: 'A stream, in the form of Durable Streams',
  description:
    'Blocks `data` with messages, each followed by a block `control`. Each block has the event id, so an EventSource resumes with it. A comment is the heartbeat.',
  operation: 'followDurableStream',
  forms: () => [
    {
      suffix: '',
      title: 'Server-Sent Events',
      accept: 'text/event-stream',
      query: { live: 'sse' },
      messages: [
        {
          key: 'durable-streams.data',
          event: 'data',
          summary:
            'Messages: of a JSON stream as an array, of a text as the text, of any other as base64, which the header `Stream-SSE-Data-Encoding` says.',
          payload: Type.Unknown(),
          example: [{ token: 'Hello' }],
          ofLog: true,
        },
        {
          key: 'durable-streams.control',
          event: 'control',
          summary: 'The offset after the messages.',
          payload: Control,
          example: { streamNextOffset: '0000000000000007', streamCursor: '3365823', upToDate: true },
          ofLog: true,
        },
      ],
    },
  ],
}
