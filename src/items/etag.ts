/**
 * Entity tags and the two preconditions on them (RFC 9110 §8.8.3, §13.1). Our tags are strong. A header that does not
 * follow the grammar holds no tag: it never lets a write through, and never saves a client a response.
 */
const ENTITY_TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g
const BETWEEN_TAGS = /^[ \t,]*$/

export function formatETag(version: string): string {
  return `"${version}"`
}

/** Whether If-Match lets a write to the representation `etag` through: strong comparison, so `W/…` never does. */
export function ifMatchHolds(header: string, etag: string): boolean {
  return header.trim() === '*' || tagsOf(header).includes(etag)
}

/** Whether If-None-Match says that the client has the representation `etag` already: weak comparison. */
export function isKnown(header: string, etag: string): boolean {
  return header.trim() === '*' || tagsOf(header).some(tag => tag.replace(/^W\//, '') === etag)
}

function tagsOf(header: string): readonly string[] {
  const wellFormed = BETWEEN_TAGS.test(header.replace(ENTITY_TAGS, ''))
  return wellFormed ? (header.match(ENTITY_TAGS) ?? []) : []
}
