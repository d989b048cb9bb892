/**
 * The attributes of a CloudEvent as the log stores them, which a feed does not show: read from the gateway, so that a local server gets
 * the CloudEvent that its publisher has sent.
 */
import { type Client, GaveUpError } from '../../../clients/typescript/src/client.js'
import { attributesOf, type DataForm, ID_EXTENSION } from '../../../src/log/cloudevent-attributes.js'
import { elapsed } from '../../../src/process/deadline.js'

type CloudEvent = Readonly<Record<string, unknown>>

const PAUSE_MS = 1_000

/**
 * Asks until the gateway answers.
 * @returns JSON text, for any event: of one that was not published as a CloudEvent those that the gateway gives it. Undefined if the
 *   signal aborts. @throws {RefusedError}
 */
export async function attributesOfEvent(
  { gateway }: Client,
  stream: string,
  id: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const headers = { Accept: 'application/cloudevents+json' }
  const path = `/api/events/${encodeURIComponent(id)}`
  do {
    try {
      const { body } = await gateway.request<CloudEvent>('GET', path, { query: { stream }, headers, signal })
      const { data, data_base64, specversion, type, [ID_EXTENSION]: _, ...own } = body
      return attributesOf(own, formOf(body))
    } catch (error) {
      if (!signal.aborted && !(error instanceof GaveUpError)) throw error
    }
  } while (await elapsed(PAUSE_MS, signal))
  return undefined
}

function formOf(event: CloudEvent): DataForm | undefined {
  if ('data_base64' in event) return 'base64'
  if (!('data' in event)) return 'none'
  const { data } = event
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? undefined : 'json'
}
