/** How the messages of a content type are joined, and how they are written into Server-Sent Events (PROTOCOL §5.8, §9). */
import { JSON_TYPE, mediaTypeOf } from '../content-type.js'

/** `json`: a list of messages. `text`: one text, which SSE carries as it is. `bytes`: any bytes, which SSE carries as base64. */
export type Content = 'json' | 'text' | 'bytes'

export function contentOf(contentType: string): Content {
  const type = mediaTypeOf(contentType)
  if (type === JSON_TYPE) return 'json'
  return type.startsWith('text/') ? 'text' : 'bytes'
}
