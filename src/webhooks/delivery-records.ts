/**
 * Records what has become of deliveries, for the deliverer: attempts, what waits, dead letters, replays, states. A few statements for
 * a batch of all endpoints together, in the transaction that moves their cursors.
 */
import { randomBytes } from 'node:crypto'
import type { Epoch } from '../consumers/consumer.js'
import type { Queryable } from '../database/pool.js'
import type { Lane, WaitingDelivery } from './endpoint.js'
import type { State, StateReason, WebhookId } from './webhook.js'
import { changeState } from './webhook-state.js'

/** `dead`: the last try of an event that is skipped. `failed`: any other attempt without success. */
export const OUTCOMES = ['delivered', 'failed', 'dead'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** One POST. */
export interface AttemptRecord {
  readonly webhook: WebhookId
  /** Default: a new one (attemptId). */
  readonly id?: string | undefined
  /** The position of the event; 0 or undefined: a message that is no event. */
  readonly position: number | undefined
  readonly eventId: string
  readonly type: string
  /** 1 for the first. */
  readonly attempt: number
  readonly at: Date
  readonly outcome: Outcome
  readonly status: number | undefined
  readonly milliseconds: number
  readonly error: string | undefined
  /** The beginning of the answer; at most 1 KiB is kept. */
  readonly answer: string | undefined
  readonly nextTryAt: Date | undefined
  readonly lane: Lane | 'test'
}

export interface DeadLetter {
  readonly position: number
  readonly eventId: string
  readonly type: string
  readonly attempts: number
  readonly status: number | undefined
  readonly error: string | undefined
}

/** The changes of one endpoint since the last record, besides its cursor. They count only under the present epoch. */
export interface EndpointChange {
  readonly id: WebhookId
  readonly epoch: Epoch
  readonly workspace: string
  /** The last of its attempts that succeeded. */
  readonly succeededAt?: Date | undefined
  /** null: it works again. */
  readonly failingSince?: Date | null | undefined
  /** The place that its replay has reached, and why it has ended. */
  readonly replay?:
    | {
        readonly id: string
        readonly position: number
        readonly eventId: string
        readonly ended?: 'completed' | 'lost' | undefined
      }
    | undefined
  /** Deliveries to insert or replace. */
  readonly waiting: readonly WaitingDelivery[]
  /** Deliveries that no longer wait. */
  readonly settled: readonly Pick<WaitingDelivery, 'lane' | 'position'>[]
  readonly dead: readonly DeadLetter[]
  /** The new state, stored with an entry in the audit log and an event on the feed. */
  readonly state?: { readonly to: Exclude<State, 'active'>; readonly reason: StateReason } | undefined
}

export interface DeliveryBatch {
  /** Attempts, stored under any epoch, because they have happened. */
  readonly attempts: readonly AttemptRecord[]
  readonly changes: readonly EndpointChange[]
}

/**
 * @param client in a transaction that spans workspaces. It moves the cursors afterwards: this locks their rows.
 * @returns the ids of changes that do not count, because the epoch is another by now.
 */
export async function recordDeliveries(
  client: Queryable,
  { attempts, changes }: DeliveryBatch,
): Promise<readonly WebhookId[]> {
  const { rows } = await client.query<{ id: WebhookId }>({
    name: 'sluice-record-deliveries',
    text: 'select r.id from sluice.record_webhook_deliveries($1, $2, $3, $4, $5) r',
    values: [
      attempts.map(attemptRow),
      changes.map(changeRow),
      changes.flatMap(({ id, settled }) =>
        settled.map(({ lane, position }) => ({ webhook_id: id, lane, position })),
      ),
      changes.flatMap(({ id, waiting }) => waiting.map(delivery => waitingRow(id, delivery))),
      changes.flatMap(({ id, dead }) => dead.map(letter => deadRow(id, letter))),
    ].map(jsonText),
  })
  const refused = new Set(rows.map(({ id }) => id))
  // Last, because an entry in the audit log and an event wait for nothing that others hold.
  for (const { id, workspace, state } of changes) {
    if (state === undefined || refused.has(id)) continue
    await changeState(
      client,
      { workspace, principal: null, address: null, requestId: null },
      id,
      state.to,
      state.reason,
    )
  }
  return [...refused]
}

/**
 * The latest time in an id of this process, and the number of ids that it has made after the first one with that time, whatever their
 * own times.
 */
let latest = 0
let made = 0
/** The number of values of the counter, which has 26 bits: 12 before the variant of the UUID, and 14 after it. */
const MOST_MADE = 2 ** 26

/**
 * A UUIDv7 (RFC 9562 §5.7), so that ids of attempts are in the order of time, and in that of their making within a millisecond
 * (§6.2, method 1).
 */
export function attemptId(at: Date): string {
  const ms = at.getTime()
  made = ms > latest ? 0 : (made + 1) % MOST_MADE
  latest = Math.max(latest, ms)
  const counter = Buffer.alloc(4)
  counter.writeUInt16BE(0x7000 | (made >> 14), 0)
  counter.writeUInt16BE(0x8000 | (made & 0x3fff), 2)
  const hex = ms.toString(16).padStart(12, '0') + counter.toString('hex') + randomBytes(6).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

function attemptRow({
  webhook,
  position,
  eventId,
  milliseconds,
  nextTryAt,
  error,
  answer,
  ...rest
}: AttemptRecord) {
  return {
    ...rest,
    webhook_id: webhook,
    id: rest.id ?? attemptId(rest.at),
    position: position || null,
    event_id: eventId,
    milliseconds: Math.round(milliseconds),
    next_try_at: nextTryAt,
    error: error && storable(error),
    answer: answer && storable(answer),
  }
}

function changeRow({ id, epoch, succeededAt, failingSince, replay }: EndpointChange) {
  return {
    id,
    epoch,
    succeeded_at: succeededAt,
    changes_failing: failingSince !== undefined,
    failing_since: failingSince,
    replay: replay?.id,
    replay_position: replay?.position,
    replay_event_id: replay?.eventId,
    replay_end: replay?.ended,
  }
}

function waitingRow(webhook: WebhookId, { eventId, nextTryAt, error, ...rest }: WaitingDelivery) {
  return {
    ...rest,
    webhook_id: webhook,
    event_id: eventId,
    next_try_at: nextTryAt,
    error: error && storable(error),
  }
}

function deadRow(webhook: WebhookId, { eventId, error, ...rest }: DeadLetter) {
  return { ...rest, webhook_id: webhook, event_id: eventId, error: error && storable(error) }
}

/** Postgres stores neither U+0000 nor lone surrogates. */
function storable(text: string): string {
  return text.replace(/[\0\p{Cs}]/gu, '\uFFFD')
}

function jsonText(rows: readonly object[]): string {
  return JSON.stringify(rows)
}
