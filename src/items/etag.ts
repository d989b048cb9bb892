/**
 * Entity tags and the two preconditions on them (RFC 9110 §8.8.3, §13.1). Our tags are strong. A malformed header
 * contains no tag: it never permits a write and never saves a response.
 */
const ENTITY_TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g
const BETWEEN_TAGS = /^[ \t,]*$/

export function formatETag(version: string): string {
  return `"${version}"`
}

/** Whether If-Match permits a write to the representation `etag`: strong comparison, so `W/…` never does. */
export function ifMatchHolds(header: string, etag: string): boolean {
  return header.trim() === '*' || tagsOf(header).includes(etag)
}

/** Whether the client already has the representation `etag`, according to If-None-Match: weak comparison. */
export function isKnown(header: string, etag: string): boolean {
  return header.trim() === '*' || tagsOf(header).some(tag => tag.replace(/^W\//, '') === etag)
}

function tagsOf(header: string): readonly string[] {
  const wellFormed = BETWEEN_TAGS.test(header.replace(ENTITY_TAGS, ''))
  return wellFormed ? (header.match(ENTITY_TAGS) ?? []) : []
}
