/** Content types of streams (PROTOCOL §9): they are compared as media types, so neither case nor parameters count. */

export const JSON_TYPE = 'application/json'
/** The content type of a stream whose creator names none. */
export const DEFAULT_TYPE = 'application/octet-stream'
const TEXTS = /^(?:text\/|application\/(?:x-ndjson|[\w.!#$&^-]+\+json)$)/

/** The media type in lower case, without parameters. sluice.append_durable does the same. */
export function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

export function isSameType(one: string, other: string): boolean {
  return mediaTypeOf(one) === mediaTypeOf(other)
}

/** Whether bytes of this media type are stored as a text, if they are UTF-8. */
export function isTextType(mediaType: string): boolean {
  return TEXTS.test(mediaType)
}
