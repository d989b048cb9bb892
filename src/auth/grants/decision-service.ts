/**
 * Asks the operator's service for decisions over HTTP. The service is trusted with its answer and nothing else: it cannot redirect the
 * gateway, make it wait, or fill its memory. Connections are kept open between requests.
 */
import { isJson } from '../../bytes/media-type.js'
import type { Authorize, AuthorizeAnswer } from './decision.js'

/** For the whole answer. */
const TIMEOUT_MS = 3_000
const MAX_BYTES = 16 * 1024

/**
 * @param address may contain a user name and a password (RFC 7617).
 * @param token sent as `Authorization: Bearer`, so that the service knows the gateway.
 */
export function decisionService(address: string, token: string | undefined): Authorize {
  const url = new URL(address)
  const { username, password } = url
  url.username = url.password = ''
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    ...authorization(token, username, password),
  }
  return async ({ id, workspace, role }, action, stream) => {
    const body = JSON.stringify({ principal: { id, workspace, role }, action, stream })
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
    try {
      return JSON.parse(await textOf(response)) as AuthorizeAnswer
    } finally {
      // Drops the rest of a refused answer.
      await response.body?.cancel().catch(() => undefined)
    }
  }
}

/** fetch refuses URLs with credentials, and quotes them in its error. */
function authorization(token: string | undefined, username: string, password: string) {
  if (token !== undefined) return { authorization: `Bearer ${token}` }
  if (username === '' && password === '') return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}

async function textOf({ status, headers, body }: Response): Promise<string> {
  if (status !== 200)
    throw new Error(`It answered ${status}, not 200. A refusal is 200 with {"allowed":false}.`)
  const type = headers.get('content-type') ?? ''
  if (!isJson(type)) throw new Error(`Its Content-Type is ${type || 'missing'}, not JSON.`)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES) throw new Error(`Its answer has more than ${MAX_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
}
