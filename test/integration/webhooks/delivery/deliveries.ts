/** Deliverers on a real database and a real hub, with a scripted sender. */
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { createPool, type Database } from '../../../../src/database/pool.js'
import { inWorkspace } from '../../../../src/database/workspace.js'
import { Deliverer } from '../../../../src/webhooks/delivery/deliverer.js'
import type { DelivererOptions } from '../../../../src/webhooks/delivery/deliverer-options.js'
import { storedDeliveries } from '../../../../src/webhooks/delivery/stored-deliveries.js'
import { seal } from '../../../../src/webhooks/sealed-secrets.js'
import type { WebhookId } from '../../../../src/webhooks/webhook.js'
import * as rows from '../../../../src/webhooks/webhook-rows.js'
import { changeState } from '../../../../src/webhooks/webhook-state.js'
import { appendEvents, replaceTail, silent, startHub, type TestHub } from '../../../harness/hub.js'
import { until } from '../../../harness/until.js'
import { SEALER, type StoredEndpoint, storeEndpoint } from '../stored-webhook.js'
import { ScriptedSender } from './scripted-sender.js'

export const SECOND_SECRET = `whsec_${Buffer.alloc(32, 8).toString('base64')}`

export interface Process {
  readonly deliverer: Deliverer
  readonly sender: ScriptedSender
  readonly node: string
  /** Its statements fail from now on, as without a database. */
  loseDatabase(): void
  regainDatabase(): void
  /** It stores nothing more, ever: what it has not stored is lost, as after `kill -9`. */
  crash(): void
}

export interface NewEndpoint extends Partial<StoredEndpoint> {
  readonly workspace?: string
}

export interface Deliveries extends TestHub {
  start(options?: Partial<DelivererOptions>): Process
  /** Starts at the beginning of its stream. */
  create(endpoint?: NewEndpoint): Promise<WebhookId>
  /** Appends events `{"n":1}`, `{"n":2}`, … to the feed of acme. */
  publish(count: number): Promise<string[]>
  state(id: WebhookId): Promise<{ state: string; reason: string | null; cursor: number; node: string | null }>
  attempts(
    id: WebhookId,
  ): Promise<{ n: number; attempt: number; outcome: string; status: number | null; next: boolean }[]>
  /** Appends events with `n` from 1 on to another stream. */
  publishTo(stream: string, count: number): Promise<void>
  /** The events after a position are gone, and one other has the next position. @param id its cursor was at that position. */
  loseTail(after: number, id?: WebhookId): Promise<void>
  /** Sends the events after a position, up to another one, again. */
  replay(id: WebhookId, after: number, to: number): Promise<void>
  replayState(id: WebhookId): Promise<string | undefined>
  waiting(id: WebhookId): Promise<{ lane: string; position: number; attempts: number }[]>
  deadLetters(id: WebhookId): Promise<{ position: number; attempts: number; status: number | null }[]>
  /** The types of the system's own events on the feed. */
  feedTypes(): Promise<string[]>
  /** The endpoints that all processes hold. */
  held(): number
  /** The second secret signs from now on, and the first one for so many seconds more. */
  rotateSecret(id: WebhookId, overlap: number): Promise<void>
  setState(id: WebhookId, state: 'active' | 'paused'): Promise<void>
  settled(id: WebhookId, cursor: number): Promise<void>
}

export async function startDeliveries(t: Test): Promise<Deliveries> {
  const hub = await startHub(t)
  const { pool } = hub
  const database: Database = createPool(pool.options.connectionString ?? '', {
    max: 5,
    name: 'deliverer',
    onError: () => {},
  })
  const running = new Set<Deliverer>()
  t.teardown(async () => {
    await Promise.all([...running].map(deliverer => deliverer.close()))
    await database.end()
  })
  let published = 0

  const state: Deliveries['state'] = async id => {
    const { rows } = await pool.query(
      `select w.state, w.state_reason as reason, c.cursor_position as cursor, c.holder_node as node
         from sluice.webhooks w join sluice.consumers c using (id) where w.id = $1`,
      [id],
    )
    return rows[0]
  }
  return {
    ...hub,
    start(options = {}) {
      const sender = new ScriptedSender()
      const node = randomUUID()
      let fault: 'away' | 'crashed' | undefined
      const reachable = async () => {
        if (fault === 'crashed') await new Promise(() => {})
        if (fault) throw Object.assign(new Error('The database is away.'), { code: '57P01' })
      }
      const stored = storedDeliveries(database, SEALER)
      const faulty = new Proxy(stored, {
        get:
          (target, name: keyof typeof stored) =>
          async (...given: unknown[]) => {
            await reachable()
            const result: unknown = await Reflect.apply(target[name], target, given)
            return result
          },
      })
      const deliverer = new Deliverer({
        node,
        rows: faulty,
        hub: hub.hub,
        readers: pool,
        sender,
        logger: silent,
        concurrency: 256,
        everyMs: 20,
        paused: () => false,
        ...options,
      })
      running.add(deliverer)
      deliverer.start()
      return {
        deliverer,
        sender,
        node,
        loseDatabase: () => {
          fault = 'away'
        },
        regainDatabase: () => {
          fault = undefined
        },
        crash: () => {
          fault = 'crashed'
          // Nothing is left to be given back.
          running.delete(deliverer)
          t.teardown(() => void deliverer.close())
        },
      }
    },
    create: ({ workspace = 'acme', ...endpoint } = {}) =>
      inWorkspace(pool, workspace, client =>
        storeEndpoint(client, workspace, { url: 'https://hooks.example.com/a', from: 'base', ...endpoint }),
      ),
    async publish(count) {
      const numbers = Array.from({ length: count }, () => ++published)
      const ids: string[] = []
      for (const n of numbers) ids.push(...(await appendEvents(pool, 1, JSON.stringify({ n }))).ids)
      hub.tailer.wake('all')
      return ids
    },
    async publishTo(stream, count) {
      for (let n = 1; n <= count; n += 1)
        await pool.query(`select sluice.append('acme', $1, 'thing.made', $2)`, [
          stream,
          JSON.stringify({ n }),
        ])
      hub.tailer.wake('all')
    },
    async loseTail(after, id) {
      await pool.query(
        `update sluice.consumers c set cursor_position = e."position", cursor_event_id = e.event_id
           from sluice.events e where c.id = $1 and e.stream_id = c.stream_id and e."position" = $2`,
        [id, after],
      )
      await replaceTail(pool, after, 1)
      hub.tailer.wake('all')
    },
    async replay(id, after, to) {
      const { rows } = await pool.query<{ id: string }>(
        `select coalesce(e.event_id, s.base_event_id) as id
           from unnest(array[$1, $2]::bigint[]) with ordinality as p (n, o)
           cross join sluice.streams s
           left join sluice.events e on e.stream_id = s.id and e."position" = p.n
          where s.name = 'feed' order by p.o`,
        [after, to],
      )
      await inWorkspace(pool, 'acme', client =>
        client.query('select sluice.start_webhook_replay($1, $2, $3, $4, $5, $6, $7, $8)', [
          'acme',
          id,
          randomUUID(),
          after,
          rows[0]?.id,
          to,
          rows[1]?.id,
          'ada',
        ]),
      )
    },
    async replayState(id) {
      const { rows } = await pool.query('select state from sluice.webhook_replays where webhook_id = $1', [
        id,
      ])
      return rows[0]?.state
    },
    state,
    async attempts(id) {
      const { rows } = await pool.query(
        `select a."position" as n, a.attempt, a.outcome, a.status, a.next_try_at is not null as next
           from sluice.webhook_attempts a where a.webhook_id = $1 order by a.at, a."position", a.attempt`,
        [id],
      )
      return rows
    },
    async waiting(id) {
      const { rows } = await pool.query(
        `select lane, "position", attempts from sluice.webhook_waiting where webhook_id = $1 order by lane, "position"`,
        [id],
      )
      return rows
    },
    async deadLetters(id) {
      const { rows } = await pool.query(
        `select "position", attempts, status from sluice.webhook_dead_letters where webhook_id = $1 order by "position"`,
        [id],
      )
      return rows
    },
    async feedTypes() {
      const { rows } = await pool.query<{ type: string }>(
        `select type from sluice.events where type like 'webhook.%' order by "position"`,
      )
      return rows.map(({ type }) => type)
    },
    held: () => [...running].reduce((sum, { endpoints }) => sum + endpoints, 0),
    async rotateSecret(id, overlap) {
      const sealed = seal(SEALER, id, 'second', SECOND_SECRET)
      await inWorkspace(pool, 'acme', client =>
        rows.insertSigningSecret(client, 'acme', id, 'second', sealed, overlap),
      )
    },
    async setState(id, to) {
      await inWorkspace(pool, 'acme', client =>
        changeState(
          client,
          { workspace: 'acme', principal: 'ada', address: null, requestId: null },
          id,
          to,
          to === 'active' ? null : 'by-admin',
        ),
      )
    },
    settled: (id, cursor) =>
      until(`the cursor of ${id} is at ${cursor}`, async () => (await state(id)).cursor >= cursor),
  }
}
