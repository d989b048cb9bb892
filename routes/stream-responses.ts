/** What stream routes answer with, for the description of the API. Streams write themselves; pages are sent as text. */
import Type from 'typebox'
import { EventDocument } from '../src/log/event.js'

const Cursor = (description: string) => Type.String({ description, examples: ['10532.k7f3qa'] })

const EventPage = Type.Object(
  {
    events: Type.Array(EventDocument),
    next: Cursor('Ask for what follows with `after=` this event id.'),
    head: Cursor('The newest event of the stream.'),
  },
  { title: 'EventPage' },
)

/** Not typed by their schemas: a stream is no value that a handler returns. */
type Answers = Readonly<Record<200, object>>

const Events = { schema: Type.String({ description: 'Server-Sent Events (WHATWG HTML, section 9.2).' }) }
const Lines = { schema: Type.String({ description: 'One JSON document a line: an event or a notice.' }) }

/** Of a route that is followed as Server-Sent Events only. */
export const EVENT_STREAM: Answers = {
  200: { description: 'The stream, until it ends.', content: { 'text/event-stream': Events } },
}

/** Of a route that is followed in two forms, or read page by page. */
export const STREAM_OR_PAGE: Answers = {
  200: {
    description: 'The stream in one of two forms, or a page of events, as `Accept` asks.',
    content: {
      'text/event-stream': Events,
      'application/x-ndjson': Lines,
      'application/json': { schema: EventPage },
    },
  },
}
