/** What a gateway asks of the database for webhooks, as acts that may be repeated (acts.ts). */
import { randomUUID } from 'node:crypto'
import { releaseLeases } from '../../../src/consumers/consumer-rows.js'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import { listAttempts } from '../../../src/webhooks/attempts.js'
import { listDeadLetters } from '../../../src/webhooks/dead-letters.js'
import { storedDeliveries } from '../../../src/webhooks/delivery/stored-deliveries.js'
import { type EndpointChange, recordDeliveries } from '../../../src/webhooks/delivery-records.js'
import { readEndpoints, readRevisions } from '../../../src/webhooks/endpoint-rows.js'
import { selectWebhook, selectWebhooks } from '../../../src/webhooks/webhook-list.js'
import { lockWebhook, updateWebhook } from '../../../src/webhooks/webhook-rows.js'
import { changeState } from '../../../src/webhooks/webhook-state.js'
import { claim, SEALER, storeWebhook } from '../webhooks/stored-webhook.js'

const AT = new Date()

export async function webhookActsOn(
  session: Database,
  workspace: string,
): Promise<Record<string, () => Promise<unknown>>> {
  const origin = { workspace, principal: 'ada', address: '127.0.0.1', requestId: 'r' }
  const id = await storeWebhook(session, workspace)
  const held = await claim(session, id)
  const event = { position: 1, eventId: randomUUID(), status: 500, error: 'x' }
  const attempt = {
    ...event,
    webhook: id,
    type: 't',
    attempt: 1,
    at: AT,
    milliseconds: 1,
    lane: 'live',
  } as const
  const change = {
    id,
    epoch: held.epoch,
    workspace,
    waiting: [],
    settled: [],
    dead: [],
  } satisfies EndpointChange
  const waiting = { ...event, lane: 'live', attempts: 1, since: AT, nextTryAt: AT } as const

  const rows = storedDeliveries(session, SEALER)
  return {
    'read an endpoint': async () => {
      await readEndpoints(session, SEALER, [id])
      await readRevisions(session, [id])
    },
    'record deliveries': async () => {
      const changes: Partial<EndpointChange>[] = [
        { waiting: [waiting], failingSince: AT },
        { settled: [waiting], succeededAt: AT, failingSince: null },
        { dead: [{ ...event, type: 't', attempts: 11 }] },
      ]
      for (const given of changes) {
        const attempts = [{ ...attempt, outcome: 'failed', answer: 'no', nextTryAt: AT } as const]
        await inTransaction(session, client =>
          recordDeliveries(client, { attempts, changes: [{ ...change, ...given }] }),
        )
      }
      for (let n = 0; n < 2; n += 1)
        await rows.record({
          attempts: [{ ...attempt, outcome: 'failed', answer: 'no', nextTryAt: AT }],
          changes: [change],
        })
    },
    'a replay of a webhook': async () => {
      const replay = randomUUID()
      await inWorkspace(session, workspace, async client => {
        await client.query(`select sluice.start_webhook_replay($1, $2, $3, 0, $3, 9, $3, 'ada')`, [
          workspace,
          id,
          replay,
        ])
      })
      const moved = { replay: { id: replay, position: 5, eventId: randomUUID() } }
      await inTransaction(session, client =>
        recordDeliveries(client, { attempts: [], changes: [{ ...change, ...moved }] }),
      )
      await inWorkspace(session, workspace, client =>
        client.query('select sluice.stop_webhook_replay($1, $2)', [workspace, id]),
      )
    },
    'retry deliveries': () =>
      inWorkspace(session, workspace, async client => {
        await client.query('select sluice.retry_webhook_delivery($1, $2, 1, $3)', [
          workspace,
          id,
          randomUUID(),
        ])
        await client.query('select sluice.retry_dead_letters($1, $2)', [workspace, id])
      }),
    'list attempts and dead letters': async () => {
      await listAttempts(session, workspace, id, { limit: 5 })
      await listAttempts(session, workspace, id, { limit: 5, outcome: 'dead' })
      await listAttempts(session, workspace, id, { limit: 5, event: '1' })
      await listDeadLetters(session, workspace, id, { limit: 5 })
    },
    'read a webhook': () => inWorkspace(session, workspace, client => selectWebhook(client, workspace, id)),
    'hold webhooks': async () => {
      const node = randomUUID()
      const own = await rows.claim(node, 3, 10_000)
      await rows.renew(node, own, 10_000)
      await rows.changed(new Map(own.map(({ id, endpoint }) => [id, endpoint.revision])))
      for (const one of own.slice(0, 1)) await rows.read(one)
      await rows.release(node, own)
      await rows.leave(node)
    },
    'list webhooks': () =>
      inWorkspace(session, workspace, client => selectWebhooks(client, workspace, {}, undefined, 5)),
    'the next page of webhooks': () =>
      inWorkspace(session, workspace, client =>
        selectWebhooks(client, workspace, {}, { at: Date.now() * 1_000, id }, 5),
      ),
    'change a webhook': () =>
      inWorkspace(session, workspace, async client => {
        const settings = await lockWebhook(client, workspace, id)
        if (settings) await updateWebhook(client, workspace, id, settings)
        await changeState(client, origin, id, 'paused', 'by-admin')
        await changeState(client, origin, id, 'active', null)
      }),
    'make and delete a webhook': async () => {
      const made = await storeWebhook(session, workspace)
      await claim(session, made).then(({ id, epoch }) => releaseLeases(session, null, [{ id, epoch }]))
      await inWorkspace(session, workspace, client =>
        client.query('select sluice.delete_consumer($1, $2)', [workspace, made]),
      )
    },
  }
}

/** A webhook for each number and workspace, and rows of one webhook for each number. @param numbers `generate_series(…) n`. */
export function webhookRows(workspace: string, numbers: string): string {
  // Another one than that of the acts, whose own rows must not grow.
  const one = `(select c.id from sluice.consumers c where c.workspace = '${workspace}' and c.name = 'bulk1') w`
  return `
    insert into sluice.consumers (id, workspace, kind, name, stream, stream_id, ack_timeout_ms, max_in_flight, cursor_position,
        cursor_event_id, created_by)
      select gen_random_uuid(), w.name, 'webhook', 'bulk' || n, 'feed', 1, 30000, 10, 0, gen_random_uuid(), 'ada' from ${numbers},
        (values ('rival'), ('third'), ('${workspace}')) w (name) where n = 1 or w.name <> '${workspace}';
    insert into sluice.webhooks (id, workspace, url, url_host, form, ordering, on_exhausted, state)
      select c.id, c.workspace, 'https://example.com/', 'example.com', 'standard', 'ordered', 'pause', 'active'
        from sluice.consumers c where c.kind = 'webhook' and c.name ~ '^bulk'
      on conflict do nothing;
    insert into sluice.webhook_secrets (webhook_id, id, workspace, kind, key_id, sealed)
      select w.id, 'bulk', w.workspace, 'signing', 'k', sha256('s') from sluice.webhooks w
      on conflict do nothing;
    insert into sluice.webhook_attempts (webhook_id, id, workspace, event_id, "position", type, attempt, at, lane, outcome)
      select w.id, gen_random_uuid(), '${workspace}', gen_random_uuid(), n, 't', 1, now(), 'live', 'failed' from ${one}, ${numbers};
    insert into sluice.webhook_waiting (webhook_id, lane, "position", workspace, event_id)
      select w.id, 'live', 1, w.workspace, gen_random_uuid() from sluice.webhooks w where w.workspace <> '${workspace}'
      on conflict do nothing;
    insert into sluice.webhook_dead_letters (webhook_id, "position", workspace, event_id, type, attempts)
      select w.id, 1000 + n, '${workspace}', gen_random_uuid(), 't', 11 from ${one}, ${numbers};
    insert into sluice.webhook_replays (webhook_id, workspace, id, from_position, from_event_id, to_position, to_event_id,
        at_position, at_event_id, created_by)
      select w.id, w.workspace, w.id, 0, w.id, 1, w.id, 0, w.id, 'ada' from sluice.webhooks w where w.workspace <> '${workspace}'
      on conflict do nothing`
}
