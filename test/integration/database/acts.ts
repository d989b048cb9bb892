/** Each thing that a gateway or an application asks of the database, as one act that may be repeated. */

import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { recordAudit } from '../../../src/audit/audit.js'
import { readAuditPage } from '../../../src/audit/entries.js'
import {
  createKey,
  importKey,
  listKeys,
  revokeKey,
  rotateKey,
} from '../../../src/auth/api-keys/api-key-administration.js'
import { noteUses, selectKey } from '../../../src/auth/api-keys/api-key-rows.js'
import { StreamTickets } from '../../../src/auth/tickets/stream-tickets.js'
import { ticketSweep } from '../../../src/auth/tickets/ticket-sweep.js'
import { answerQuestions, askForClients } from '../../../src/cluster/client-questions.js'
import { beat, countElsewhere, leave } from '../../../src/cluster/node-rows.js'
import { findDue, notePresence, reportPrincipals } from '../../../src/cluster/presence-rows.js'
import { holdLease, leaveLease } from '../../../src/database/lease.js'
import { createPool, type Database } from '../../../src/database/pool.js'
import { sweepAll } from '../../../src/database/sweep.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import { readEventFacts } from '../../../src/explain/event-facts.js'
import { Items } from '../../../src/items/items.js'
import * as jobEnds from '../../../src/jobs/end-rows.js'
import * as jobReads from '../../../src/jobs/job-reads.js'
import { jobSweep } from '../../../src/jobs/job-sweep.js'
import { Projects } from '../../../src/jobs/projects.js'
import { countQueued } from '../../../src/jobs/queued.js'
import * as jobs from '../../../src/jobs/rows.js'
import { exchangeBy } from '../../../src/limits/rate-windows.js'
import { SlotClaim } from '../../../src/limits/slot-claim.js'
import { claimsIn } from '../../../src/limits/slot-rows.js'
import { append } from '../../../src/log/append.js'
import { appendRequests } from '../../../src/log/append-requests.js'
import { compactionSweep } from '../../../src/log/compaction.js'
import { readCopy } from '../../../src/log/copy.js'
import { FEED, type Position } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { formatEventId } from '../../../src/log/event-id.js'
import { readPublishers } from '../../../src/log/event-publishers.js'
import { readLastBefore } from '../../../src/log/event-time.js'
import { readFilteredPage } from '../../../src/log/filtered-page.js'
import { findEnded, hasAll } from '../../../src/log/history.js'
import { assertIndexed, parseKeyPath, readLatestPage } from '../../../src/log/latest.js'
import * as log from '../../../src/log/log.js'
import { readNewest, readNthNewest } from '../../../src/log/newest.js'
import { eventSweep, idempotencyKeySweep } from '../../../src/log/retention.js'
import { isKeyStored } from '../../../src/log/stored-key.js'
import { countBeyond, readChangedTails, readTails } from '../../../src/log/tails.js'
import { redactEvents } from '../../../src/redaction/redactions.js'
import { deletedStreamSweep } from '../../../src/streams/deleted-stream-sweep.js'
import {
  closeStream,
  configureStream,
  configureWorkspace,
  deleteStream,
  readWorkspaceOptions,
} from '../../../src/streams/stream-administration.js'
import { listStreams } from '../../../src/streams/stream-list.js'
import { countPart, readUsage, storeUsage, takeCount } from '../../../src/usage/usage-rows.js'
import { consumerActs } from './consumer-acts.js'
import { durableActs, durableRows } from './durable-acts.js'

import { subscriptionActsOn, subscriptionRows } from './subscription-acts.js'
import { webhookActsOn, webhookRows } from './webhook-acts.js'

const WORKSPACE = 'acme'
const AUTHOR = { workspace: WORKSPACE, id: 'ada' } as const
const ORIGIN = { workspace: WORKSPACE, principal: 'ada', address: '127.0.0.1', requestId: 'r' } as const
const NEW_JOB = {
  kind: 'command',
  project: null,
  title: null,
  priority: 0,
  max_attempts: 2,
  timeout_ms: null,
}
const FIRST = { attempt: 1, holder: AUTHOR.id } as const
const NOBODY = { attempt: undefined, holder: undefined } as const
const EVENT = { type: 'thing.made', data: '{"n":1}' }
const KEY = parseKeyPath('data.n')
const nobody = () => 0
const WANTED = EventFilter.ofTypes('thing.made')
const CONDITION = EventFilter.of({ where: 'data.n eq 1 or data.text starts_with "x"' }) ?? WANTED

/** Settings of an application under which our functions would scan if they did not pin their own. */
const HOSTILE = `
  set local enable_seqscan = on; set local enable_indexscan = off; set local enable_bitmapscan = off;
  set local enable_nestloop = off; set local plan_cache_mode = force_custom_plan; set local row_security = off`

/** One connection, on which the plans of all acts are made and kept. */
export function openSession(url: string): Database {
  return createPool(url, { max: 1, name: 'acts', onError: () => undefined })
}

export async function actsOn(session: Database): Promise<Record<string, () => Promise<unknown>>> {
  const items = new Items({ database: session, onCommitted: () => undefined })
  const sweeps = [
    eventSweep({ database: session, days: { feed: 30 } }),
    deletedStreamSweep(session),
    jobSweep(session, 1),
    compactionSweep(session),
    idempotencyKeySweep(session),
    ticketSweep(session),
  ]
  const tickets = new StreamTickets(session)
  const projects = new Projects(session)
  const stream = await log.ensureStream(session, WORKSPACE, FEED)
  const keyed = await log.ensureStream(session, WORKSPACE, 'keyed')
  const compact = (after: string) =>
    session.query('select sluice.set_compaction($1, $2, $3)', [keyed, KEY, after])
  await compact('0 s')
  const closed = await log.ensureStream(session, WORKSPACE, 'ended')
  await session.query('select sluice.close_stream($1)', [closed])
  const principal = {
    id: 'ada',
    workspace: WORKSPACE,
    role: 'viewer' as const,
    issuedAt: 0,
    expiresAt: Date.now() + 3_600_000,
    credential: { kind: 'token', id: undefined } as const,
  }
  const job = async (started = false) => (await jobs.createJob(session, AUTHOR, NEW_JOB, '{}', started)).job
  const request = (name: string, key?: string, events = [EVENT, EVENT]) => {
    const idempotency = key === undefined ? undefined : { key, fingerprint: 'f' }
    return { workspace: WORKSPACE, stream: name, actor: 'ada', idempotency, events }
  }
  const commit = async (...requests: ReturnType<typeof request>[]) => {
    const client = await session.connect()
    await appendRequests(client, requests).finally(() => client.release())
  }
  const first = 1 as Position
  const application = (text: string) => session.query(`begin; ${HOSTILE}; ${text}; commit`)
  await commit(request(FEED, 'again'))

  return {
    ...consumerActs(session),
    ...(await durableActs(session)),
    'publish: one event': () => commit(request(FEED, undefined, [EVENT])),
    'publish: one request': () => commit(request(FEED)),
    'publish: requests with keys': () => commit(request(FEED, randomUUID()), request('other', randomUUID())),
    'publish: a key again': () => commit(request(FEED, 'again')),
    append: () => append(session, WORKSPACE, FEED, 'thing.made', '{}', 'ada'),
    'publish after a head': async () => {
      const { position, eventId } = await log.readHead(session, stream)
      await application(
        `select sluice.expect_head('${WORKSPACE}', 'feed', '${formatEventId(position, eventId)}')`,
      )
    },
    'sluice.append': () => application(`select sluice.append('${WORKSPACE}', 'feed', 'thing.made', '{}')`),
    'sluice.publish': () => application(`select sluice.publish('${WORKSPACE}', 'feed', 'thing.made', '{}')`),
    'sluice.publish to another stream': () =>
      application(`select sluice.publish('${WORKSPACE}', 'other', 'a', '{}')`),
    'a watched table': () =>
      application(`
        insert into public.watched values (1, '${WORKSPACE}'); update public.watched set n = 2;
        delete from public.watched; truncate public.watched`),
    'ensure a stream': () => log.ensureStream(session, WORKSPACE, 'other'),
    'make a stream': () => log.ensureStream(session, WORKSPACE, `made/${randomUUID()}`),
    'close a stream': async () => {
      const id = await log.ensureStream(session, WORKSPACE, `closed/${randomUUID()}`)
      await session.query('select sluice.close_stream($1)', [id])
    },
    'explain an event': () => readEventFacts(session, WORKSPACE, FEED, { position: first, check: undefined }),
    'list streams': () => listStreams(session, AUTHOR, { limit: 5, prefix: 'bulk1' }, nobody),
    'configure a stream': () => configureStream(session, ORIGIN, FEED, { max_events: 1_000_000 }, nobody),
    'configure a workspace': async () => {
      await configureWorkspace(session, ORIGIN, { max_age_seconds: 86_400, max_events: 1_000_000 })
      await readWorkspaceOptions(session, WORKSPACE)
    },
    'close a stream by name, and delete it': async () => {
      const name = `deleted/${randomUUID()}`
      await append(session, WORKSPACE, name, 'thing.made', '{}', 'ada')
      await closeStream(session, ORIGIN, name, nobody)
      await deleteStream(session, ORIGIN, name)
    },
    'redact events': async () => {
      await commit(request('redacted', randomUUID()))
      const id = await log.ensureStream(session, WORKSPACE, 'redacted')
      const event = await log.readEvent(session, id, (await log.readHead(session, id)).position)
      const redaction = { stream: 'redacted', reason: 'x', keepActor: false }
      if (event) await redactEvents(session, ORIGIN, [event], redaction)
    },
    'sluice.redact': () => application(`select sluice.redact('${WORKSPACE}', 'feed', 1, 'x')`),
    'find a stream': () => inWorkspace(session, WORKSPACE, client => log.findStream(client, WORKSPACE, FEED)),
    'find a stream and its head': () =>
      inWorkspace(session, WORKSPACE, client => log.findStreamAndHead(client, WORKSPACE, FEED)),
    'read bounds': () => log.readBounds(session, stream),
    'publishers of events': () =>
      inWorkspace(session, WORKSPACE, client => readPublishers(client, stream, [first])),
    'read an event': () => log.readEvent(session, stream, first),
    'read an event behind row-level security': () =>
      inWorkspace(session, WORKSPACE, client => log.readEvent(client, stream, first)),
    'read a page': () => log.readPage(session, stream, first, 10, 100_000),
    'read a place': () => log.readPlace(session, stream, first),
    'compare a replica': () => readCopy(session, stream, first),
    'find the place of a time': async () => {
      await readLastBefore(session, stream, new Date(0))
      await readLastBefore(session, stream, new Date(Date.now() - 10))
    },
    'read tails': async () => {
      const head = await log.readHead(session, stream)
      for (const after of [head, { ...head, position: first }])
        await readTails(session, [{ streamId: stream, after }], 10, 100_000)
    },
    'read the tails of many streams': async () => {
      const after = await log.readHead(session, stream)
      const heads = new Array(100).fill({ streamId: stream, after })
      const changed = { streamId: stream, after: { ...after, position: first } }
      await readChangedTails(session, [...heads, changed], 10, 100_000)
    },
    'read a filtered page': () => readFilteredPage(session, stream, 0 as Position, 5 as Position, WANTED, 10),
    'read a page filtered by content': () =>
      readFilteredPage(session, stream, 0 as Position, 5 as Position, CONDITION, 10),
    'read the nth newest by content': () => readNthNewest(session, stream, 2, CONDITION),
    'count events beyond a head': async () => {
      await countBeyond(session, [{ streamId: stream, after: { position: first, eventId: '' } }])
    },
    'read the nth newest': () => readNthNewest(session, stream, 2, WANTED),
    'read the newest': () => readNewest(session, stream, ['thing.made'], 5 as Position, 3, 100_000),
    'read the newest of each key': async () => {
      const [upTo, keyedTo] = await Promise.all([log.readHead(session, stream), log.readHead(session, keyed)])
      const request = { after: 0 as Position, limit: 3, maxBytes: 100_000 }
      await readLatestPage(session, stream, { ...request, key: KEY, upTo: { ...upTo, position: first } })
      await readLatestPage(session, keyed, { ...request, key: KEY, upTo: keyedTo })
      await assertIndexed(session, keyed, KEY, 20_000)
    },
    'compact superseded events': async () => {
      await commit(request('keyed'))
      await compact('0 s')
      await compactionSweep(session).run(new AbortController().signal)
      await session.query('select sluice.index_latest($1, 10)', [keyed])
    },
    'find streams that have ended': () => findEnded(session, [stream, closed]),
    'find places that are lost': async () => hasAll(session, stream, [await log.readHead(session, stream)]),
    'a heartbeat': async () => {
      const id = randomUUID()
      const row = {
        ...{ name: 'n', version: '', mode: 'normal', uptime_ms: 0, lag_ms: 0 },
        ...{ clients: 1, clients_by_kind: { job: 1 }, streams: 1, streams_left_out: 0 },
        ...{ bus: 'listening', bus_kind: null, memory_state: null, memory_percent: null },
        event_loop_delay_ms: 0,
        may_be_first: true,
      }
      for (const anew of [true, false])
        await beat(session, id, row, { anew, streams: new Map([[stream, 1]]) })
      await countElsewhere(session, stream, randomUUID())
      const page = { stream, after: '' }
      await askForClients(session, page, randomUUID(), 0)
      await answerQuestions(session, id, [page], () => [])
      await beat(session, id, row, { anew: false, streams: new Map() })
      await leave(session, id)
    },
    presence: async () => {
      const id = randomUUID()
      const columns = '(id, name, version, mode, started_at, heartbeat_at, lag_ms, clients, clients_by_kind)'
      await session.query(
        `insert into sluice.nodes ${columns} values ($1, 'n', '', 'normal', now(), now(), 0, 0, '{}')`,
        [id],
      )
      const watched = await log.ensureStream(session, WORKSPACE, 'watched')
      await configureStream(session, ORIGIN, 'watched', { presence: true }, nobody)
      const ada = { stream: watched, workspace: WORKSPACE, name: 'watched', principal: 'ada' }
      const changes = [
        { anew: true, left: [], come: [ada] },
        { anew: false, left: [ada], come: [] },
      ]
      for (const change of changes) {
        await reportPrincipals(session, id, change)
        await findDue(session, 0)
        for (let turn = 0; turn < 2; turn += 1) await notePresence(session, watched, 0, 5)
      }
      await configureStream(session, ORIGIN, 'watched', { presence: null }, nobody)
      await notePresence(session, watched, 0, 5)
      await leave(session, id)
    },
    'count the usage': async () => {
      await takeCount(session, randomUUID())
      const { totals } = await countPart(session, 0, 10, 1_000)
      await storeUsage(session, totals ?? '[]', new Date())
      await readUsage(session, WORKSPACE)
    },
    'a key that is stored': () => isKeyStored(session, WORKSPACE, 'ada', 'again'),
    'a lease': async () => {
      const holder = randomUUID()
      for (let turn = 0; turn < 2; turn += 1) await holdLease(session, 'work', holder, 60_000)
      await leaveLease(session, 'work', holder)
    },
    items: async () => {
      const part_number = `B-${randomUUID()}`
      const { etag } = await items.create(AUTHOR, { part_number, description: 'd', item_type: 't' })
      await items.get(AUTHOR, part_number)
      await items.update(AUTHOR, part_number, { description: 'e' }, etag)
      await items.revise(AUTHOR, part_number, { comment: 'c' })
      await items.revisions(AUTHOR, part_number, { limit: 5 })
      await items.list(AUTHOR, { limit: 5 })
      await items.delete(AUTHOR, part_number)
    },
    'a job by a runner': async () => {
      await job()
      const claimed = await jobs.claimJob(session, AUTHOR, { runner: 'r' }, 60_000)
      const id = claimed?.job.id ?? ''
      await jobs.heartbeat(session, AUTHOR, id, 1, 60_000)
      await jobs.appendToJob(session, AUTHOR, id, FIRST, [EVENT], { key: randomUUID(), fingerprint: 'f' })
      await jobs.requeueJob(session, AUTHOR, id, 1)
      await jobEnds.finishJob(session, AUTHOR, id, NOBODY, 'cancelled', null)
    },
    'a job with an id of its own, created by a request that is repeated': async () => {
      const own = { ...NEW_JOB, id: `own-${randomUUID()}` }
      const once = { key: randomUUID(), fingerprint: 'f' }
      await jobs.createJob(session, AUTHOR, own, '{}', true, once)
      await jobs.createJob(session, AUTHOR, own, '{}', true, once)
    },
    'a job that is looked at': async () => {
      const { id } = await job(true)
      await inWorkspace(session, WORKSPACE, client => jobReads.selectJob(client, WORKSPACE, id))
      await inWorkspace(session, WORKSPACE, client =>
        jobReads.selectJobs(client, WORKSPACE, {}, undefined, 5),
      )
      await jobEnds.finishJob(session, AUTHOR, id, NOBODY, 'completed', '{}')
    },
    'reads within grants': async () => {
      const { id } = await job(true)
      const within = { workspace: WORKSPACE, streams: { exact: [FEED], prefixes: ['job:'] } }
      await inWorkspace(session, within, client => log.findStreamAndHead(client, WORKSPACE, FEED))
      await inWorkspace(session, within, client => log.readEvent(client, stream, first))
      await inWorkspace(session, within, client => jobReads.selectJob(client, WORKSPACE, id))
      await inWorkspace(session, within, client => jobReads.selectJobs(client, WORKSPACE, {}, undefined, 5))
      await jobEnds.finishJob(session, AUTHOR, id, NOBODY, 'completed', '{}')
    },
    'list streams within grants': () => {
      const within = { workspace: WORKSPACE, streams: { exact: [], prefixes: ['bulk1'] } }
      return listStreams(session, within, { limit: 5, prefix: 'bulk1' }, nobody)
    },
    'jobs that are waited for': () =>
      countQueued(session, [
        {
          workspace: WORKSPACE,
          projects: ['p'],
          kinds: undefined,
          names: ['job:1'],
          prefixes: ['project/a/'],
          wanted: 3,
        },
      ]),
    'expired leases': () => jobEnds.expireLease(session),
    'expired waits': () => jobEnds.expireQueued(session, 86_400),
    projects: async () => {
      const id = `p-${randomUUID()}`
      await projects.declare(ORIGIN, { id, members: ['ada'] })
      await projects.get(principal, id)
      await projects.list(principal, { limit: 5 })
      await projects.change(ORIGIN, id, { image: 'i' })
      const { job } = await jobs.createJob(session, AUTHOR, { ...NEW_JOB, project: id }, '{}', false)
      for (const member of ['ada', 'eve']) {
        await inWorkspace(session, WORKSPACE, client => jobReads.selectJob(client, WORKSPACE, job.id, member))
        await inWorkspace(session, WORKSPACE, client =>
          jobReads.selectJobs(client, WORKSPACE, {}, undefined, 5, member),
        )
      }
      await jobs.claimJob(session, AUTHOR, { runner: 'r', projects: [id] }, 60_000)
      await jobs.appendToJob(session, AUTHOR, job.id, FIRST, [EVENT], undefined, 'ada')
      await jobEnds.finishJob(session, AUTHOR, job.id, NOBODY, 'cancelled', null, { member: 'ada' })
      await projects.delete(ORIGIN, id)
    },
    keys: async () => {
      const { id } = await createKey(session, ORIGIN, { name: 'k', role: 'viewer' })
      await selectKey(session, id)
      await noteUses(session, new Map([[id, Date.now()]]))
      const rotated = await rotateKey(session, ORIGIN, id, {})
      await listKeys(session, WORKSPACE, { limit: 5 })
      await revokeKey(session, ORIGIN, id)
      await revokeKey(session, ORIGIN, rotated.id)
    },
    'imported keys': async () => {
      const secretHash = randomBytes(32)
      const rest = {
        prefix: 'sk_live_',
        name: 'k',
        role: 'viewer',
        allowedIps: null,
        expiresAt: null,
      } as const
      const { key } = await importKey(session, ORIGIN, { ...rest, secretHash })
      await importKey(session, ORIGIN, { ...rest, secretHash })
      await revokeKey(session, ORIGIN, key.id)
    },
    tickets: async () => {
      const { ticket } = await tickets.issue(principal, '/api/events')
      await tickets.take(ticket, '/api/events', 'browser', '192.0.2.7')
    },
    audit: async () => {
      await recordAudit(session, { ...ORIGIN, action: 'key.created', details: {} })
      await readAuditPage(session, WORKSPACE, { limit: 5 })
    },
    ...(await webhookActsOn(session, WORKSPACE)),
    ...(await subscriptionActsOn(session)),
    'rate windows': () => exchangeBy(session, 60_000)([{ key: 'me', current: 1, previous: 1 }]),
    'slots of open streams': async () => {
      const claim = new SlotClaim('principal', 'me', 10)
      claim.opened(1, { release() {} })
      const ask = claimsIn(session, randomUUID())
      await ask([claim])
      claim.closed(0, { release() {} })
      await ask([claim])
    },
    sweeps: () => sweepAll(sweeps, new AbortController().signal, () => undefined),
  }
}

/**
 * Rows of all tenants, and of the one that acts, from one number to another: a scan of any of the tables must be seen. Retention has
 * looked at the streams: the first look at each of thousands would only take time.
 */
export async function fill(url: string, from: number, to: number): Promise<void> {
  const numbers = `generate_series(${from}, ${to}) n, (values ('${WORKSPACE}'), ('rival')) w (name)`
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(`
      insert into sluice.streams (workspace, name, look_at)
        select w.name, 'bulk' || n, now() + interval '1 day' from ${numbers};
      insert into sluice.events select s.id, n, now(), gen_random_uuid(), 'bulk.made', '{}', null
        from (select id from sluice.streams where workspace = '${WORKSPACE}' and name = 'bulk1') s, ${numbers}
       where w.name = 'rival';
      insert into sluice.compactions (stream_id, key_path, compact_after, checked_at)
        select s.id, 'data.id', '1 h', now() + interval '1 day'
          from sluice.streams s where s.name in (select 'bulk' || n from generate_series(${from}, ${to}) n);
      insert into sluice.latest (stream_id, key, "position")
        select s.id, n, n from (select id from sluice.streams where workspace = '${WORKSPACE}' and name = 'bulk1') s, ${numbers}
         where w.name = 'rival';
      insert into sluice.idempotency_keys (workspace, actor, key, fingerprint, created_at)
        select w.name, 'actor' || n, 'again', 'f', now() from ${numbers};
      insert into sluice.jobs (name, workspace, stream_id, kind, payload, priority, max_attempts, created_by, status, ended_at)
        select gen_random_uuid(), w.name, n, 'command', '{}', 5, 1, 'ada', 'completed', now() from ${numbers};
      insert into sluice.jobs (name, workspace, stream_id, kind, payload, priority, max_attempts, created_by)
        select gen_random_uuid(), w.name, n, 'command', '{}', 5, 1, 'ada' from ${numbers} where w.name = 'rival';
      insert into sluice.jobs
        (name, workspace, stream_id, kind, payload, priority, max_attempts, created_by, status, lease_expires_at)
        select gen_random_uuid(), w.name, n, 'command', '{}', 5, 1, 'ada', 'running', now() + interval '1 day' from ${numbers};
      insert into sluice.items (workspace, part_number, description, item_type, properties, folded)
        select w.name, 'A-' || n, 'd', 't', '{}', 'd' from ${numbers};
      insert into sluice.api_keys (id, workspace, prefix, name, role, secret_hash, created_by)
        select lpad(n::text, 12, '0'), w.name, case when n % 2 = 0 then 'sk_live_' end, 'k', 'viewer',
               sha256(n::text::bytea), 'ada'
          from ${numbers}
         where w.name = 'rival';
      insert into sluice.consumers (id, workspace, kind, name, stream, stream_id, ack_timeout_ms, max_in_flight, cursor_position,
          cursor_event_id, created_by)
        select gen_random_uuid(), w.name, k.kind, k.kind || n, 'bulk' || n, n, 30000, 256, 0, gen_random_uuid(), 'ada'
          from ${numbers}, (values ('pull'), ('webhook')) k (kind)
         where w.name = 'rival' or n <= 500;
      ${subscriptionRows(numbers)}
      insert into sluice.projects (workspace, id, members, created_by)
        select w.name, 'project' || n, '{ada}', 'ada' from ${numbers};
      insert into sluice.audit (workspace, action, details) select w.name, 'key.created', '{}' from ${numbers};
      insert into sluice.stream_tickets
          (hash, workspace, principal, role, credential_kind, issued_at, expires_at, path, good_until)
        select sha256((w.name || n)::bytea), w.name, 'p', 'viewer', 'token', 0, 1, '/', now() + interval '1 day'
          from ${numbers};
      insert into sluice.rate_windows
        select floor(extract(epoch from now()) / 60), w.name || n, 1 from ${numbers};
      insert into sluice.stream_slots select w.name || n, '{}' from ${numbers};
      ${durableRows(`generate_series(${from}, ${to}) n, (values ('${WORKSPACE}'), ('rival')) w (name)`)};
      ${webhookRows(WORKSPACE, `generate_series(${from}, ${to}) n`)}`)
    await client.query('analyze')
    // Autovacuum is off: the dead rows of the acts before would count too.
    for (const table of ['webhooks', 'webhook_replays', 'webhook_waiting', 'consumers'])
      await client.query(`vacuum sluice.${table}`)
    // Else this session may count its pages among those of the first act, when it ends.
    await client.query('select pg_stat_force_next_flush()')
  } finally {
    await client.end()
  }
}
