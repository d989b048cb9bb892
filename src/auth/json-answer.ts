/**
 * Requests to a service of the operator: the issuer's key set, decisions at run time. The service is trusted with its answer and
 * nothing else: it can neither fill the memory of the gateway nor send it another kind of document.
 */
import { isJson } from '../bytes/media-type.js'

/**
 * The text of a JSON answer, which is read only as far as it is allowed to be long.
 * @param subject of the errors, such as `It`.
 * @throws {Error} for another Content-Type, for more bytes, and for text that is not UTF-8.
 */
export async function jsonTextOf(
  { headers, body }: Response,
  maxBytes: number,
  subject: string,
): Promise<string> {
  const type = headers.get('content-type') ?? ''
  if (!isJson(type)) throw new Error(`Its Content-Type is ${type || 'missing'}, not JSON.`)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new Error(`${subject} has more than ${maxBytes} bytes.`)
    chunks.push(chunk)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
}

/** The URL without its user name and password: fetch refuses URLs with credentials, and quotes them in its error. */
export function withoutCredentials({ href }: URL): URL {
  const url = new URL(href)
  url.username = url.password = ''
  return url
}

/** The header for the user name and the password of a URL, if it has any (RFC 7617). */
export function basicAuthorization({ username, password }: URL): { readonly authorization?: string } {
  if (username === '' && password === '') return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}
