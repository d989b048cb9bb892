/** The request of `sluice explain`, with errors that say what to do. */
import Value from 'typebox/value'
import { Explanation } from '../../src/explain/explanation.js'

const PATIENCE_MS = 15_000

export interface Question {
  /** The gateway's root. */
  readonly url: URL
  readonly token: string
  readonly event: string
  readonly principal?: string | undefined
  readonly client?: string | undefined
  readonly stream?: string | undefined
}

/** @throws {Error} with a text for a person. */
export async function askForExplanation({ url, token, ...question }: Question): Promise<Explanation> {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(question)) if (value !== undefined) query.set(name, value)
  const root = url.href.endsWith('/') ? url.href : `${url.href}/`
  const response = await fetch(`${root}api/explain?${query}`, {
    headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    // The token is only for this address.
    redirect: 'manual',
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch(error => {
    throw new Error(
      `No gateway answers at ${url.origin} (${reasonOf(error)}). Start it, or give its address with --url.`,
    )
  })
  const text = await response.text()
  const answer: unknown = response.ok ? jsonOf(text) : undefined
  if (Value.Check(Explanation, answer)) return answer
  throw new Error(refusalOf(url, response.status, text))
}

function refusalOf(url: URL, status: number, text: string): string {
  const { detail, code } = Object(jsonOf(text))
  if (typeof detail !== 'string') {
    return `${url.origin} has answered with status ${status}, and not as a gateway of this version does. Check --url.`
  }
  const remedy =
    status === 401 || status === 403 ? ' Set SLUICE_TOKEN to a token or an API key of an admin.' : ''
  return `${detail} (${status} ${code})${remedy}`
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** fetch only says that it failed; the cause says why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  if (typeof cause !== 'object' || cause === null) return String(cause)
  return 'code' in cause && typeof cause.code === 'string'
    ? cause.code
    : String(Object(cause).message ?? cause)
}
