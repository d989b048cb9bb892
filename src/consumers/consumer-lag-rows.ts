/** The statements that look for consumers that lag, of all workspaces. */
import type { Queryable } from '../database/pool.js'
import type { Consumer, ConsumerId, ConsumerKind } from './consumer.js'
import { CONSUMER, type ConsumerRow, consumerOf } from './consumer-rows.js'

export interface ConsumerState {
  readonly id: ConsumerId
  readonly kind: ConsumerKind
  readonly held: boolean
  /** Positions after the cursor. */
  readonly lagEvents: number
  /** Age of the first stored event after the cursor. */
  readonly lagSeconds: number
  readonly lagging: boolean
  /** Whether retention has passed the cursor. */
  readonly lost: boolean
  /** Whether `noteLag` has something to note. */
  readonly changed: boolean
}

/** Before the first id. */
export const FIRST = '00000000-0000-0000-0000-000000000000' as ConsumerId

/**
 * The next consumers after an id.
 * @param warningSeconds the age of the first event after the cursor from which a consumer lags; 0: any.
 * @param retentionDays how long retention keeps events of streams without options; 0: for ever.
 */
export async function readConsumerStates(
  database: Queryable,
  after: ConsumerId,
  limit: number,
  warningSeconds: number,
  retentionDays: number,
): Promise<readonly ConsumerState[]> {
  const { rows } = await database.query<ConsumerState>({
    name: 'sluice-consumer-states',
    text: `
      select c.id, c.kind, c.held, c.lag_events as "lagEvents", c.lag_seconds as "lagSeconds", c.lagging, c.lost, c.changed
        from sluice.consumer_states($1, $2, nullif($3::float8, 0) * interval '1 s', nullif($4::float8, 0) * interval '1 day') c`,
    values: [after, limit, warningSeconds, retentionDays],
  })
  return rows
}

/** Publishes `consumer.lagging`, unless the consumer has caught up. Undefined if another process has noted it. */
export async function noteLag(
  database: Queryable,
  { id, lagging, lost, lagEvents, lagSeconds }: ConsumerState,
): Promise<Consumer | undefined> {
  const { rows } = await database.query<ConsumerRow>({
    name: 'sluice-note-lag',
    text: `select ${CONSUMER} from sluice.note_lag($1, $2, $3, $4, $5) c`,
    values: [id, lagging, lost, lagEvents, lagSeconds],
  })
  return rows.map(consumerOf)[0]
}

/** Keeps retention from removing the empty streams of these consumers as unused. */
export async function useStreams(database: Queryable, ids: readonly ConsumerId[]): Promise<void> {
  await database.query({
    name: 'sluice-use-consumed-streams',
    text: `select sluice.use_streams(array(
             select distinct c.stream_id from sluice.consumers c where c.id = any ($1::uuid[])))`,
    values: [ids],
  })
}
