/** What happens to data and to credentials in the course of operation: retention, revocations, ids that somebody has made up. */
import pg from 'pg'
import { formatEventId } from '../../../src/log/event-id.js'
import { as } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { type End, ended, type Fault, type Scene } from '../fault.js'

/** Later than any event, also one that was stored while the clock was an hour ahead: how many are removed is said by their number. */
const CUTOFF = '2 hours'
/** Clients that bring an id that they have made up. */
const FORGERS = 20

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
  {
    name: 'forged-id',
    parts: ['data'],
    causes: [],
    recordsItself: true,
    lasts: [0, 0],
    isShort: true,
    async inject({ load }) {
      load.forge(FORGERS)
      return ended
    },
  },
]

/** Removes the older half of one stream, as the sweep of a gateway does, so that clients that are slow or away have lost their place. */
async function retain(scene: Scene): Promise<End> {
  const { load, random } = scene
  await until('a stream has events to remove', () => removeHalf(scene, random.pick(load.streams)))
  return ended
}

/** @returns whether it had some. */
async function removeHalf({ world, keepRemoved }: Scene, stream: string): Promise<boolean> {
  const client = new pg.Client(world.databases.url)
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query('begin')
    const streams = await client.query(
      `select id, clock_timestamp() + interval '${CUTOFF}' as cutoff from sluice.streams where workspace || '/' || name = $1 for update`,
      [stream],
    )
    const [{ id, cutoff }] = streams.rows
    const counted = await client.query(
      'select count(*)::int / 2 as half from sluice.events where stream_id = $1',
      [id],
    )
    const [{ half }] = counted.rows
    const older = await client.query(
      `select "position", event_id as "eventId" from sluice.events where stream_id = $1
        order by "position" offset $2::int - 1 limit 1`,
      [id, Math.max(half, 1)],
    )
    const [last] = half > 0 ? older.rows : []
    if (last) {
      await keepRemoved(stream, last.position, formatEventId(last.position, last.eventId))
      await client.query('select sluice.retain_locked($1, $2, $3)', [id, cutoff, half])
    }
    await client.query('commit')
    return last !== undefined
  } finally {
    await client.end()
  }
}

/** One of those whose programs get another token when the gateway refuses theirs. */
async function revoke({ world, load, random }: Scene) {
  const { workspace, principal } = random.pick(load.revocable)
  // nginx does not repeat it when a gateway ends meanwhile, and it may be stored then too.
  let answer = ''
  await until('the revocation is stored', async () => {
    const response = await fetch(`${world.nginx.url}/api/revocations`, {
      method: 'POST',
      headers: { ...as('admin', workspace), 'content-type': 'application/json' },
      body: JSON.stringify({ subject: principal }),
    })
    answer = `${response.status}: ${await response.text()}`
    if (response.status !== 201 && response.status !== 503) throw new Error(answer)
    return response.status === 201
  }).catch(cause => {
    throw new Error(`The revocation was answered with ${answer}`, { cause })
  })
  return ended
}
