/** Media types of bodies (RFC 9110 §8.3). */

export const NDJSON = 'application/x-ndjson'

/** JSON by its suffix (RFC 6839 §3.1), with or without parameters. */
export const JSON_SUFFIX = /^application\/[\w.!#$&^-]+\+json\s*(?:;|$)/i
const JSON_TYPE = /^application\/json\s*(?:;|$)/i

/** Whether a body of this Content-Type is JSON: `application/json`, or JSON by its suffix. */
export function isJson(contentType: string): boolean {
  return JSON_TYPE.test(contentType) || JSON_SUFFIX.test(contentType)
}
