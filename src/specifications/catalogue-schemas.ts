/**
 * The event catalogue as JSON Schemas (draft 2020-12): one for the data of each built-in event and notice, one for the document of an
 * event, and one for the data of a redacted event. Each has a path below /schemas, which is its `$id`, relative to the gateway.
 */
import type { TSchema } from 'typebox'
import type { EventEntry, NoticeEntry } from '../log/catalogue-entry.js'
import { EventDocument } from '../log/event.js'
import { EVENTS } from '../log/event-catalogue.js'
import { NOTICES } from '../log/notice-catalogue.js'
import { RedactedData } from '../log/redacted-data.js'
import { asShown } from '../openapi/document.js'
import type { AsyncApi } from './asyncapi.js'

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'
const REDACTED_FILE = 'redacted.json'

export interface CatalogueSchemas {
  /** The schemas by their paths below the index, such as `events/item.created.json`. */
  readonly files: ReadonlyMap<string, object>
  readonly index: object
}

/**
 * @param base the path of the index.
 * @param streams the description of the streams whose messages refer to the schemas.
 */
export function catalogueSchemas(base: string, streams: AsyncApi, prefix: string): CatalogueSchemas {
  const links = linksFrom(streams, prefix)
  const files = new Map<string, object>()
  const add = (path: string, title: string, schema: object) => {
    const $id = `${base}/${path}`
    files.set(path, { $schema: DRAFT, $id, title, ...schema, 'x-sluice-messages': links.get($id) ?? [] })
    return $id
  }
  const events = Object.entries<EventEntry>(EVENTS).map(([type, { when, streams, data, example }]) => {
    // Redaction puts other data in its place.
    const schema = {
      description: when,
      examples: [example],
      anyOf: [shown(data), { $ref: `../${REDACTED_FILE}` }],
    }
    return { type, when, streams, schema: add(`events/${type}.json`, type, schema) }
  })
  const notices = Object.entries<NoticeEntry>(NOTICES).map(([name, { when, data, example }]) => {
    const schema = { description: when, examples: [example], ...shown(data) }
    return { name, when, schema: add(`notices/${name}.json`, name, schema) }
  })
  const event = add('event.json', 'Event', shown(EventDocument))
  const redacted = add(REDACTED_FILE, 'Redacted', shown(RedactedData))
  return { files, index: { events, notices, event, redacted } }
}

/** The messages of AsyncAPI that have each schema, by its path. */
function linksFrom({ components: { messages } }: AsyncApi, prefix: string): ReadonlyMap<string, string[]> {
  const links = new Map<string, string[]>()
  for (const [key, { 'x-sluice-schema': path }] of Object.entries(messages)) {
    if (typeof path !== 'string') continue
    links.set(path, [...(links.get(path) ?? []), `${prefix}/asyncapi.json#/components/messages/${key}`])
  }
  return links
}

function shown(schema: TSchema): object {
  return Object(asShown(schema))
}
