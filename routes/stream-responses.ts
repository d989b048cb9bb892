/** The responses of stream routes, for the API's description only: streams and pages are written without a serialiser. */

import Type from 'typebox'
import { NDJSON } from '../src/bytes/media-type.js'
import { CLOUDEVENT_BATCH, CloudEvent } from '../src/log/cloudevents.js'
import { EventDocument } from '../src/log/event.js'

const Cursor = (description: string) => Type.String({ description, examples: ['10532.k7f3qa'] })

const EventPage = Type.Object(
  {
    events: Type.Array(EventDocument),
    next: Cursor('Request the next page with `after=` this event id.'),
    head: Cursor('The event id of the newest event of the stream.'),
  },
  { title: 'EventPage' },
)

/** Not typed by their schemas, because a handler does not return a stream as a value. */
type Answers = Readonly<Record<200 | 204, object>>

const Ended = Type.Null({
  description: 'The stream has ended, and the client has all of it: an EventSource stops for good.',
})

/** Without a type, because tools disagree on whether a schema describes one message of a stream or the text of all. */
const Events = {
  schema: Type.Unknown({
    description: 'Server-Sent Events (WHATWG HTML, section 9.2). `/asyncapi.json` describes each message.',
    examples: ['id: 10532.k7f3qa\nevent: item.updated\ndata: {"part_number":"A01-0002","revision":3}\n\n'],
  }),
}
const Lines = {
  schema: Type.Unknown({
    description: 'One JSON document per line: an event or a notice. `/asyncapi.json` describes each.',
    examples: ['{"type":"heartbeat","data":{},"id":"10532.k7f3qa"}\n'],
  }),
}

const ConsumerPage = Type.Object(
  {
    events: Type.Array(EventDocument),
    epoch: Type.Integer({ description: 'Send it with acknowledgements, and request the next page with it.' }),
    cursor: Cursor('Everything up to this event is acknowledged.'),
    head: Cursor('The event id of the newest event of the stream.'),
    in_flight: Type.Integer({
      description: 'Events that are handed out and not acknowledged, with those of this page.',
    }),
  },
  { title: 'ConsumerPage' },
)

/** The responses of a route of a consumer's events. */
export const CONSUMER_STREAM_OR_PAGE: Answers = {
  200: {
    description: 'The stream in one of two forms, or a page of events, by `Accept`.',
    content: {
      'text/event-stream': Events,
      [NDJSON]: Lines,
      'application/json': { schema: ConsumerPage },
    },
  },
  204: Ended,
}

/** The responses of a route that is followed as Server-Sent Events only. */
export const EVENT_STREAM: Answers = {
  200: {
    description: 'The stream; the response lasts until it ends.',
    content: { 'text/event-stream': Events },
  },
  204: Ended,
}

/** The responses of a route that is followed in two forms, or read page by page. */
export const STREAM_OR_PAGE: Answers = {
  200: {
    description: 'The stream in one of two forms, or a page of events, by `Accept`.',
    content: {
      'text/event-stream': Events,
      [NDJSON]: Lines,
      'application/json': { schema: EventPage },
      [CLOUDEVENT_BATCH]: { schema: Type.Array(CloudEvent) },
    },
  },
  204: Ended,
}

/** The responses of a durable stream, whose pages have the content type that it was made with. */
export const DURABLE_STREAM_OR_PAGE: Answers = {
  200: {
    description: 'The stream as Server-Sent Events, or a page of it in its own content type, by `live`.',
    content: {
      'text/event-stream': Events,
      '*/*': { schema: Type.Unknown({ description: 'The messages after the offset.' }) },
    },
  },
  204: Type.Null({ description: 'A long poll has ended without a message, or the stream has ended.' }),
}

/** The responses to the creation of a durable stream: an empty body, with the content type of the stream. */
export const DURABLE_STREAM_CREATED: Readonly<Record<200 | 201, object>> = {
  200: Type.Null({ description: 'The stream exists already, as requested.' }),
  201: Type.Null({ description: 'Created.' }),
}

/** The responses to an append to a durable stream. */
export const DURABLE_STREAM_APPENDED: Answers = {
  200: Type.Null({ description: 'Appended, from a producer that counts its requests.' }),
  204: Type.Null({
    description: 'Appended or closed; or a producer has sent it again, and it is in the stream already.',
  }),
}
