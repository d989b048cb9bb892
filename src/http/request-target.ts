/** The target of a request, as written in its first line (RFC 9112 §3.2). */

import { isEscapedUtf8 } from '../bytes/utf8.js'
import { Problem } from '../problems/problem.js'

/** A path, or a complete URL as proxies send it. `*` is neither; the router would treat it as `/`. */
const FORM = /^(?:\/|https?:\/\/)/i

/** @throws {Problem} 400 `bad-url`. */
export function requireTarget(url: string): void {
  if (!FORM.test(url)) throw badUrl('The request has no path. Send one, such as GET /api/events.')
  if (!isEscapedUtf8(url))
    throw badUrl('The percent-encoded bytes in the URL are not UTF-8. Encode them as UTF-8.')
}

function badUrl(detail: string): Problem {
  return new Problem(400, 'bad-url', detail)
}
