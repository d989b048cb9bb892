/** The files of pages that the gateway serves: the console, the guide. They are public, because they hold no data. */
import { extname } from 'node:path'

export const HTML = 'text/html; charset=utf-8'

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': HTML,
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
}

/** The Cache-Control of a file with a hash of its content in its name. */
export const IMMUTABLE = 'public, max-age=31536000, immutable'

export const PAGE_HEADERS = {
  // The page's address holds a token for a moment.
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // A page that opens this one in a window cannot reach into it.
  'cross-origin-opener-policy': 'same-origin',
}

/** The content type by the ending of a file's name; undefined for files that are no part of a page. */
export function contentTypeOf(name: string): string | undefined {
  return CONTENT_TYPES[extname(name)]
}
