/** The forms in which the clients of the load get events, as texts that the checker compares. */

import { type Forms, type TableEvent, WRITTEN } from '../checker/recorded-table.js'
import { END } from './place.js'

/** The type of a message of a durable stream. */
export const CHUNK = 'chunk'
/** A filter of the content, which the streams with it have in the URL. */
export const WHERE = `data.n ge 5 or type eq "${END}"`
/** Added to the name of a form. */
export const WITH_WHERE = ' where'

const sse = WRITTEN['text/event-stream']
const lines = WRITTEN['application/x-ndjson']

export const FORMS = {
  ...WRITTEN,
  /** `envelope=message` */
  envelope: lines,
  'text/event-stream where': selected(sse),
  'application/x-ndjson where': selected(lines),
  'envelope where': selected(lines),
  'value where': selected(WRITTEN.value),
  /** docs/durable-streams.md: a chunk is what its publisher has sent, any other event a document. */
  durable: (event: TableEvent) => {
    const { json } = JSON.parse(event.data) as { json?: unknown }
    return JSON.stringify(event.type === CHUNK ? json : JSON.parse(lines(event)))
  },
} satisfies Forms

export type Form = keyof typeof FORMS

function selected(write: (event: TableEvent) => string): (event: TableEvent) => string | undefined {
  return event => {
    const { n } = JSON.parse(event.data) as { n?: unknown }
    return event.type === END || (typeof n === 'number' && n >= 5) ? write(event) : undefined
  }
}
