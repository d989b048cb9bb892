/** How the messages of a content type are joined, and how they are written into Server-Sent Events (PROTOCOL §5.8, §9). */

/** `json`: a list of messages. `text`: one text, which SSE carries as it is. `bytes`: any bytes, which SSE carries as base64. */
export type Content = 'json' | 'text' | 'bytes'

/** The media type in lower case, without parameters. */
export function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

export function contentOf(contentType: string): Content {
  const type = mediaTypeOf(contentType)
  if (type === 'application/json') return 'json'
  return type.startsWith('text/') ? 'text' : 'bytes'
}
