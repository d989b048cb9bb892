/** What happens to data and to credentials in the course of operation: retention, revocations, ids that somebody has made up. */
import pg from 'pg'
import { formatEventId } from '../../../src/log/event-id.js'
import { as } from '../../harness/gateway.js'
import { type End, ended, type Fault, type Scene } from '../fault.js'

/** Of a stream, so that clients that are slow or away have lost their place. */
const KEPT = '3 seconds'
/** More than a stream has. */
const MOST_REMOVED = 1_000_000

export const DATA_FAULTS: readonly Fault[] = [
  {
    name: 'retention',
    parts: ['data', 'postgres'],
    causes: [],
    recordsItself: true,
    lasts: [0, 0],
    isShort: true,
    inject: retain,
  },
  {
    name: 'revoked',
    parts: ['data', 'postgres', 'nginx', 'upstream', 'database'],
    causes: [],
    lasts: [500, 2_000],
    isShort: true,
    inject: revoke,
  },
]

/** Removes what is older than a few seconds from one stream, as the sweep of a gateway does. */
async function retain({ world, load, random, keepRemoved }: Scene): Promise<End> {
  const stream = random.pick(load.streams)
  const client = new pg.Client(world.databases.url)
  await client.connect()
  try {
    await client.query('begin')
    const streams = await client.query(
      `select id, clock_timestamp() - interval '${KEPT}' as cutoff from sluice.streams where workspace || '/' || name = $1 for update`,
      [stream],
    )
    const [{ id, cutoff }] = streams.rows
    const expired = await client.query(
      `select "position", event_id as "eventId" from sluice.events
        where stream_id = $1 and at < $2 order by "position" desc limit 1`,
      [id, cutoff],
    )
    const [last] = expired.rows
    if (last) {
      await keepRemoved(stream, last.position, formatEventId(last.position, last.eventId))
      await client.query('select sluice.retain_locked($1, $2, $3)', [id, cutoff, MOST_REMOVED])
    }
    await client.query('commit')
  } finally {
    await client.end()
  }
  return ended
}

/** One of those whose programs get another token when the gateway refuses theirs. */
async function revoke({ world, load, random }: Scene) {
  const { workspace, principal } = random.pick(load.revocable)
  const response = await fetch(`${world.nginx.url}/api/revocations`, {
    method: 'POST',
    headers: { ...as('admin', workspace), 'content-type': 'application/json' },
    body: JSON.stringify({ subject: principal }),
  })
  const answer = await response.text()
  if (response.status !== 201)
    throw new Error(`The revocation was answered with ${response.status}: ${answer}`)
  return ended
}
