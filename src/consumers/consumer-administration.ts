/**
 * Creates, changes, seeks and deletes the pull consumers of a workspace. A change and its entry in the audit log are one
 * transaction. The caller has checked that the principal may read the stream.
 */
import { randomUUID } from 'node:crypto'
import { type Origin, recordAudit } from '../audit/audit.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import { FEED, type StreamId } from '../log/event.js'
import { EventFilter } from '../log/event-filter.js'
import { ensureStream, findStream } from '../log/log.js'
import { type NamedPlace, parsePlaceName } from '../log/named-place.js'
import { notFound, SqlState, sqlState } from '../problems/problem.js'
import type { Consumer, ConsumerId } from './consumer.js'
import {
  type ConsumerOptions,
  changeConsumer,
  fenceConsumer,
  insertConsumer,
  removeConsumer,
  seekConsumer,
} from './consumer-creation.js'
import type { ConsumerSettings } from './consumer-document.js'
import { resolvePlace } from './consumer-place.js'
import { consumerExists, tooManyConsumers } from './consumer-problem.js'
import { type LaggingConsumer, selectConsumer } from './consumer-reads.js'

export interface PutConsumer extends LaggingConsumer {
  /** `restarted`: changed so that its holder, if it has one, must open it again. */
  readonly outcome: 'created' | 'unchanged' | 'changed' | 'restarted'
}

/** Another caller may create or delete it meanwhile. */
const MAX_TRIES = 3

/**
 * Creates a consumer, or gives an existing one these settings. The same settings again change nothing.
 * @throws {Problem} 400 `invalid-types`, `invalid-where`, `invalid-event-id` or `invalid-request`; 404 `not-found` without the
 *   stream; 409 `consumer-exists`, `too-many-consumers`; 410 for a start that the log does not have.
 */
export async function putConsumer(
  database: Database,
  origin: Origin,
  name: string,
  settings: ConsumerSettings,
): Promise<PutConsumer> {
  const options = optionsOf(settings)
  const { stream = FEED, start: given = 'now' } = settings
  const start = parsePlaceName('start', given)
  const { workspace } = origin
  for (let tries = 1; ; tries += 1) {
    const put = await inWorkspace(database, workspace, async client => {
      const found = await selectConsumer(client, workspace, name)
      if (!found) return create(client, origin, name, stream, options, start)
      if (found.consumer.stream !== stream) throw consumerExists(name, stream)
      return change(client, origin, found, options)
    }).catch(error => {
      if (sqlState(error) === SqlState.tooManyConsumers) throw tooManyConsumers(error)
      // It was deleted meanwhile.
      if (sqlState(error) === SqlState.noStream) throw notFound('stream')
      throw error
    })
    if (put) return put
    if (tries === MAX_TRIES) throw new Error(`The consumer ${name} is being created and deleted at once.`)
  }
}

function optionsOf(settings: ConsumerSettings): ConsumerOptions {
  const { types, where, description, ack_timeout_ms = 30_000, max_in_flight = 256 } = settings
  // Refuses texts that are no filter.
  EventFilter.of({ types, where })
  return {
    types: types ?? null,
    where: where ?? null,
    description: description ?? null,
    ackTimeoutMs: ack_timeout_ms,
    maxInFlight: max_in_flight,
  }
}

async function create(
  client: WorkspaceClient,
  origin: Origin,
  name: string,
  stream: string,
  options: ConsumerOptions,
  start: NamedPlace,
): Promise<PutConsumer | undefined> {
  const { workspace, principal } = origin
  const streamId = await streamOf(client, workspace, stream)
  const cursor = await resolvePlace(client, streamId, start)
  const made = await insertConsumer(client, workspace, {
    ...options,
    id: randomUUID() as ConsumerId,
    kind: 'pull',
    name,
    stream,
    streamId,
    cursor,
    active: true,
    createdBy: principal ?? 'unknown',
  })
  if (!made) return undefined
  await recordAudit(client, {
    ...origin,
    action: 'consumer.created',
    details: { consumer: name, stream, ...shown(options) },
  })
  const found = await selectConsumer(client, workspace, name)
  return found && { ...found, outcome: 'created' }
}

/** The feed exists in every workspace, though its first event may not. */
async function streamOf(client: WorkspaceClient, workspace: string, stream: string): Promise<StreamId> {
  if (stream === FEED) return ensureStream(client, workspace, FEED)
  const found = await findStream(client, workspace, stream)
  if (!found) throw notFound('stream')
  return found.id
}

async function change(
  client: WorkspaceClient,
  origin: Origin,
  found: LaggingConsumer,
  options: ConsumerOptions,
): Promise<PutConsumer | undefined> {
  const { workspace } = origin
  const { id, name } = found.consumer
  const changed = changesOf(found.consumer, options)
  if (changed.length === 0) return { ...found, outcome: 'unchanged' }
  if (!(await changeConsumer(client, workspace, id, options))) return undefined
  const restarts = changed.some(option => option !== 'description')
  if (restarts) await fenceConsumer(client, workspace, id, 'changed')
  await recordAudit(client, {
    ...origin,
    action: 'consumer.changed',
    details: { consumer: name, ...shown(options) },
  })
  const after = await selectConsumer(client, workspace, name)
  return after && { ...after, outcome: restarts ? 'restarted' : 'changed' }
}

const OPTIONS = ['types', 'where', 'description', 'ackTimeoutMs', 'maxInFlight'] as const

function changesOf(before: Consumer, options: ConsumerOptions): (keyof ConsumerOptions)[] {
  return OPTIONS.filter(option => before[option] !== options[option])
}

function shown({ types, where, ackTimeoutMs, maxInFlight }: ConsumerOptions) {
  return { types, where, ack_timeout_ms: ackTimeoutMs, max_in_flight: maxInFlight }
}

/**
 * Puts the cursor anywhere. The holder loses the consumer.
 * @throws {Problem} 400 for a text that is no place; 404 `not-found`; 410 for an event that the log does not have.
 */
export async function seek(
  database: Database,
  origin: Origin,
  name: string,
  to: string,
): Promise<LaggingConsumer> {
  const place = parsePlaceName('to', to)
  const { workspace } = origin
  return inWorkspace(database, workspace, async client => {
    const before = await selectConsumer(client, workspace, name)
    if (!before) throw notFound('consumer')
    const { id, stream } = before.consumer
    const streamId = await streamOf(client, workspace, stream)
    const cursor = await resolvePlace(client, streamId, place)
    await seekConsumer(client, workspace, id, streamId, cursor)
    const after = await selectConsumer(client, workspace, name)
    if (!after) throw notFound('consumer')
    await recordAudit(client, {
      ...origin,
      action: 'consumer.sought',
      details: {
        consumer: name,
        to,
        from_position: before.consumer.cursor.position,
        position: cursor.position,
      },
    })
    return after
  })
}

/** @throws {Problem} 404 `not-found`. */
export async function deleteConsumer(database: Database, origin: Origin, name: string): Promise<ConsumerId> {
  const { workspace } = origin
  return inWorkspace(database, workspace, async client => {
    const found = await selectConsumer(client, workspace, name)
    if (!found || !(await removeConsumer(client, workspace, found.consumer.id))) throw notFound('consumer')
    const { id, stream, cursor } = found.consumer
    await recordAudit(client, {
      ...origin,
      action: 'consumer.deleted',
      details: { consumer: name, stream, position: cursor.position, lag_events: found.lag.events },
    })
    return id
  })
}
