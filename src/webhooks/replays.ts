/** Sends a range of events to a webhook again, beside the new ones. One replay at a time, and only events that the log still has. */
import { randomUUID } from 'node:crypto'
import { type Origin, recordAudit } from '../audit/audit.js'
import { resolvePlace } from '../consumers/consumer-place.js'
import { readConsumer } from '../consumers/consumer-rows.js'
import type { Database } from '../database/pool.js'
import { cursorId } from '../hub/cursor.js'
import { parsePlaceName } from '../log/named-place.js'
import { notFound, Problem } from '../problems/problem.js'
import type { NewReplay, Replay } from './replay-document.js'
import type { WebhookId } from './webhook.js'
import { administer, selectExisting } from './webhook-administration.js'
import { replayRunning } from './webhook-problem.js'
import { lockWebhook } from './webhook-rows.js'

/**
 * @returns the replay, which begins within a second or two if the webhook is active, and else when it is resumed.
 * @throws {Problem} 400 for a text that names no place, or a range without events; 404 `not-found`; 409 `replay-running`; 410 for an
 *   event that the log does not have.
 */
export async function startReplay(
  database: Database,
  origin: Origin,
  webhook: WebhookId,
  { from, to }: NewReplay,
): Promise<Replay> {
  const { workspace } = origin
  const places = {
    from: parsePlaceName('from', from),
    to: to === undefined ? undefined : parsePlaceName('to', to),
  }
  return await administer(database, origin, async client => {
    const endpoint = await lockWebhook(client, workspace, webhook)
    const consumer = await readConsumer(client, webhook)
    if (!endpoint || !consumer) throw notFound('webhook')
    const start = await resolvePlace(client, consumer.streamId, places.from)
    const end = places.to ? await resolvePlace(client, consumer.streamId, places.to) : consumer.cursor
    // Events after the cursor are sent anyway.
    const last = end.position > consumer.cursor.position ? consumer.cursor : end
    if (start.position >= last.position) throw nothingToReplay(cursorId(consumer.cursor))
    const { rows } = await client.query<{ started: boolean }>({
      name: 'sluice-start-replay',
      text: 'select sluice.start_webhook_replay($1, $2, $3, $4, $5, $6, $7, $8) as started',
      values: [
        workspace,
        webhook,
        randomUUID(),
        start.position,
        start.eventId,
        last.position,
        last.eventId,
        origin.principal ?? 'unknown',
      ],
    })
    if (!rows[0]?.started) throw replayRunning()
    const details = { webhook, url_host: endpoint.host, from: cursorId(start), to: cursorId(last) }
    await recordAudit(client, { ...origin, action: 'webhook.replayed', details })
    const { replay } = await selectExisting(client, workspace, webhook)
    if (!replay) throw new Error('The replay was not stored.')
    return replay
  })
}

/** Stops the replay; deliveries under way are finished. Does nothing if no replay is running. @throws {Problem} 404 `not-found`. */
export async function stopReplay(database: Database, origin: Origin, webhook: WebhookId): Promise<void> {
  await administer(database, origin, async client => {
    const endpoint = await lockWebhook(client, origin.workspace, webhook)
    if (!endpoint) throw notFound('webhook')
    const { rows } = await client.query<{ stopped: boolean }>({
      name: 'sluice-stop-replay',
      text: 'select sluice.stop_webhook_replay($1, $2) as stopped',
      values: [origin.workspace, webhook],
    })
    if (!rows[0]?.stopped) return
    const details = { webhook, url_host: endpoint.host }
    await recordAudit(client, { ...origin, action: 'webhook.replay-stopped', details })
  })
}

function nothingToReplay(cursor: string): Problem {
  const detail =
    `There is no event after \`from\` up to \`to\`, and up to the cursor of the webhook, ${cursor}: later ones are sent anyway. ` +
    'Name an earlier `from`.'
  return new Problem(400, 'invalid-request', detail)
}
