/** A page of a consumer as text. The data of each event is sent exactly as stored, so the texts are joined, not serialised. */
import { cursorId } from '../hub/cursor.js'
import { eventDocument } from '../sse/ndjson.js'
import type { ConsumerPage } from './page-reading.js'

export function pageText(page: ConsumerPage, form: 'application/json' | 'application/x-ndjson'): string {
  const { events, epoch, cursor, head, inFlight } = page
  const documents = events.map(eventDocument)
  if (form === 'application/x-ndjson') return documents.map(document => `${document}\n`).join('')
  return `{"events":[${documents.join(',')}],"epoch":${epoch},"cursor":"${cursorId(cursor)}","head":"${cursorId(head)}","in_flight":${inFlight}}`
}
