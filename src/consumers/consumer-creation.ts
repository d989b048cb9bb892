/** The statements that create, change and delete consumers: in a transaction of their workspace, whose caller records them (audit). */
import type { WorkspaceClient } from '../database/workspace.js'
import type { StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'
import type { Consumer, ConsumerId, LostReason } from './consumer.js'
import { CONSUMER, type ConsumerRow, consumerOf } from './consumer-rows.js'

/** The settings that a change may replace. */
export type ConsumerOptions = Pick<
  Consumer,
  'types' | 'where' | 'description' | 'ackTimeoutMs' | 'maxInFlight'
>
export type NewConsumer = ConsumerOptions &
  Pick<Consumer, 'id' | 'kind' | 'name' | 'stream' | 'streamId' | 'cursor' | 'active' | 'createdBy'>

/**
 * @returns undefined if the workspace has a pull consumer of that name.
 * @throws SQLSTATE SL016 if the workspace has 1,000 pull consumers.
 */
export async function insertConsumer(
  client: WorkspaceClient,
  workspace: string,
  consumer: NewConsumer,
): Promise<Consumer | undefined> {
  const { rows } = await client.query<ConsumerRow>({
    name: 'sluice-create-consumer',
    text: `select ${CONSUMER}
             from sluice.create_consumer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) c`,
    values: [
      workspace,
      consumer.id,
      consumer.kind,
      consumer.name,
      consumer.stream,
      consumer.streamId,
      consumer.types,
      consumer.where,
      consumer.description,
      consumer.ackTimeoutMs,
      consumer.maxInFlight,
      consumer.cursor.position,
      consumer.cursor.eventId,
      consumer.active,
      consumer.createdBy,
    ],
  })
  return rows.map(consumerOf)[0]
}

/** Changes the settings of a consumer. Its holder keeps it; `fenceConsumer` makes a holder read it again. Undefined if there is none. */
export async function changeConsumer(
  client: WorkspaceClient,
  workspace: string,
  id: ConsumerId,
  { types, where, description, ackTimeoutMs, maxInFlight }: ConsumerOptions,
): Promise<Consumer | undefined> {
  const { rows } = await client.query<ConsumerRow>({
    name: 'sluice-change-consumer',
    text: `select ${CONSUMER} from sluice.change_consumer($1, $2, $3, $4, $5, $6, $7) c`,
    values: [workspace, id, types, where, description, ackTimeoutMs, maxInFlight],
  })
  return rows.map(consumerOf)[0]
}

/**
 * Takes a consumer away from its holder, which learns the reason when it renews its lease.
 * @param active whether a deliverer may claim it from now on; default: as before.
 */
export async function fenceConsumer(
  client: WorkspaceClient,
  workspace: string,
  id: ConsumerId,
  reason: Extract<LostReason, 'changed' | 'paused'>,
  active?: boolean,
): Promise<Consumer | undefined> {
  const { rows } = await client.query<ConsumerRow>({
    name: 'sluice-fence-consumer',
    text: `select ${CONSUMER} from sluice.fence_consumer($1, $2, $3, $4) c`,
    values: [workspace, id, reason, active ?? null],
  })
  return rows.map(consumerOf)[0]
}

/** Puts the cursor anywhere, and takes the consumer away from its holder. Undefined if there is none. */
export async function seekConsumer(
  client: WorkspaceClient,
  workspace: string,
  id: ConsumerId,
  stream: StreamId,
  { position, eventId }: Head,
): Promise<Consumer | undefined> {
  const { rows } = await client.query<ConsumerRow>({
    name: 'sluice-seek-consumer',
    text: `select ${CONSUMER} from sluice.seek_consumer($1, $2, $3, $4, $5) c`,
    values: [workspace, id, stream, position, eventId],
  })
  return rows.map(consumerOf)[0]
}

/** @returns whether there was one. */
export async function removeConsumer(
  client: WorkspaceClient,
  workspace: string,
  id: ConsumerId,
): Promise<boolean> {
  const { rows } = await client.query<{ removed: boolean }>({
    name: 'sluice-delete-consumer',
    text: 'select sluice.delete_consumer($1, $2) as removed',
    values: [workspace, id],
  })
  return rows[0]?.removed ?? false
}
