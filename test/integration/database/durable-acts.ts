/** What a gateway asks of the database for durable streams, each as one act that may be repeated. */
import { randomUUID } from 'node:crypto'
import type { Database } from '../../../src/database/pool.js'
import { DurableStreams } from '../../../src/durable-streams/durable-store.js'
import { Expiry } from '../../../src/durable-streams/expiry.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { silent } from '../../harness/hub.js'

const WORKSPACE = 'acme'
const ORIGIN = { workspace: WORKSPACE, principal: 'ada', address: '127.0.0.1', requestId: 'r' } as const
const TYPE = 'text/plain'
const FIRST = 1 as Position

export async function durableActs(session: Database): Promise<Record<string, () => Promise<unknown>>> {
  const streams = new DurableStreams({ database: session, onCommitted() {}, onEnded() {} })
  const body = { contentType: TYPE, bytes: Buffer.from('x') }
  const made = async (more: object = {}) => {
    const name = `durable/${randomUUID()}`
    await streams.create(ORIGIN, name, { contentType: TYPE, body: body.bytes, ...more })
    return name
  }
  const known = await made({ ttl: '1000' })
  const followed: StreamId[] = []
  const found = await streams.find(ORIGIN, known, { touch: false })
  if (typeof found === 'object') followed.push(found.streamId)
  const expiry = new Expiry({ database: session, logger: silent, followed: () => followed, onEnded() {} })
  const producer = { id: randomUUID(), epoch: 0 }
  let seq = 0
  const append = () => {
    const request = { body, seq: String(seq).padStart(9, '0'), producer: { ...producer, seq } }
    seq += 1
    return streams.append(ORIGIN, known, request)
  }
  return {
    'append to a durable stream': append,
    'append to two': async () => {
      const other = await made()
      await Promise.all([
        append(),
        streams.append(ORIGIN, other, { body, close: true, producer: { ...producer, seq: 0 } }),
      ])
    },
    'find a durable stream': () => streams.find(ORIGIN, known, { touch: true }),
    'use a durable stream': async () => {
      await session.query(
        `update sluice.durable_streams set expires_at = now() + interval '900 s'
          where workspace = '${WORKSPACE}' and name = '${known}'`,
      )
      await streams.find(ORIGIN, known, { touch: true })
    },
    'fork a durable stream, and delete both': async () => {
      const [source, fork] = [await made(), `fork/${randomUUID()}`]
      await streams.create(ORIGIN, fork, { fork: { from: source, offset: FIRST } })
      await streams.remove(ORIGIN, source, { ofAll: false })
      await streams.remove(ORIGIN, fork, { ofAll: false })
    },
    'delete expired streams': async () => {
      await made({ ttl: '0' })
      await expiry.run()
    },
  }
}

/** Rows of other durable streams, with their forks and producers. @param numbers the number n of a row and the workspace w.name. */
export function durableRows(numbers: string): string {
  return `
    insert into sluice.durable_streams (workspace, name, stream_id, content_type, ttl, expires_at, producers)
      select s.workspace, s.name, s.id, 'text/plain', '1000000', now() + interval '11 days', 1
        from sluice.streams s join (select w.name as workspace, n from ${numbers}) k
          on s.workspace = k.workspace and s.name = 'bulk' || k.n;
    insert into sluice.durable_streams (workspace, name, content_type, forked_from, deleted_at)
      select w.name, 'forked' || n, 'text/plain', 'bulk' || n, now() from ${numbers};
    insert into sluice.durable_producers (stream_id, producer, epoch, seq, used_at)
      select s.id, 'p', 0, 0, now() from sluice.streams s join (select w.name as workspace, n from ${numbers}) k
          on s.workspace = k.workspace and s.name = 'bulk' || k.n`
}
