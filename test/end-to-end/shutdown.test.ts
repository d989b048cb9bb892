import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createDatabase } from '../harness/database.js'
import { openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { type GatewayProcess, startProcess } from '../harness/process.js'
import { connectRaw, get } from '../harness/raw-client.js'
import { temporaryFolder } from '../harness/server.js'
import { until } from '../harness/until.js'

const CLIENTS = 200
/** Blocks each append inside its transaction for as long as the gate has a row. */
const GATE = `
  create table gate as select;
  create function wait_at_gate() returns trigger language plpgsql as $$
    begin
      while exists (select from public.gate) loop
        perform pg_sleep(0.01);
      end loop;
      return null;
    end $$;
  create trigger wait_at_gate before insert on sluice.events execute function wait_at_gate()`
const json = { ...as('editor'), 'content-type': 'application/json' }

t.test(
  'at SIGTERM 200 clients get a notice, requests in flight are answered, and the process exits',
  async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl, env: { DRAIN_MS: '10000' } })
    await publish(gateway, { type: 'thing.made', data: {} })
    const [quiet = ''] = await publish(gateway, { type: 'thing.made', data: {} }, { stream: 'quiet' })
    const streams = await Promise.all(
      Array.from({ length: CLIENTS }, (_, n) =>
        openStream(t, `${gateway.url}/api/events`, { headers: acceptOf(n) }),
      ),
    )
    const poll = fetch(`${gateway.url}/api/events?stream=quiet&after=${quiet}&wait=60s`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })
    await pool.query(GATE)
    const publishing = fetch(`${gateway.url}/api/events`, {
      method: 'POST',
      headers: json,
      body: '{"type":"thing.made","data":{"last":true}}',
    })
    await until('the publish is at the gate', async () => {
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
      return (await pool.query(waiting)).rowCount === 1
    })

    gateway.signal('SIGTERM')
    await untilText(streams[0], 'draining')
    const [ready, late] = await Promise.all([
      fetch(`${gateway.url}/ready`),
      openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') }),
    ])
    await pool.query('delete from gate')

    t.equal(ready.status, 503)
    t.match(await ready.json(), { status: 'unready', mode: 'draining', database: 'up' })
    t.match((await late.until(1))[0], { event: 'unavailable', data: '{"reason":"draining"}' })
    const answer = await publishing
    t.equal(answer.status, 201, await answer.clone().text())
    const { events } = Object(await answer.json())
    t.equal(
      (await pool.query('select event_id from sluice.events where position = 2')).rows[0].event_id,
      events[0].event_id,
    )
    const page = await poll
    t.equal(page.status, 200)
    t.match(await page.json(), { events: [], next: quiet })
    t.same(
      new Set(await Promise.all(streams.map(stream => stream.ended()))),
      new Set([true]),
      'each end was a clean one',
    )
    t.ok(
      streams.every(stream => stream.text().includes('"mode":"draining"')),
      'and announced',
    )
    t.equal(await gateway.ended(), 0)
  },
)

// Attack: a client that stops reading keeps a process from being replaced.
t.test('a client that does not read cannot delay the shutdown', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl })
  await publishMegabytes(gateway, 30)
  const headers = `Accept: text/event-stream\nAuthorization: ${as('viewer').authorization}\n`
  const { socket } = await connectRaw(t, gateway.port, get('/api/events?from=beginning', '1.1', headers))
  socket.pause()
  await until('it is a client', async () => (await clients(gateway)) === 1)

  t.equal(await gateway.stop(), 0)
})

t.test(
  'after kill -9 no Postgres keeps running, and the next start has every acknowledged event',
  async t => {
    const dataDir = await temporaryFolder()
    t.teardown(() => rm(dataDir, { recursive: true, force: true, maxRetries: 20 }))
    const first = await startProcess(t, { env: { DATA_DIR: dataDir } })
    const postgres = Number.parseInt(await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10)
    const acknowledged: string[] = []
    const publishing = (async () => {
      for (let n = 1; ; n += 1)
        acknowledged.push(...(await publish(first, { type: 'thing.made', data: { n } })))
    })()
    const cutOff = t.rejects(publishing, 'it was in the middle of publishing')
    await until('some are acknowledged', () => acknowledged.length >= 20)

    await first.kill()
    await cutOff
    await until('Postgres has left', () => !isAlive(postgres))
    const second = await startProcess(t, { env: { DATA_DIR: dataDir } })

    const response = await fetch(`${second.url}/api/events?limit=1000`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })
    const { events } = Object(await response.json()) as { events: { id: string; position: number }[] }
    t.same(
      events.map(({ position }) => position),
      events.map((_, index) => index + 1),
    )
    t.same(
      events.slice(0, acknowledged.length).map(({ id }) => id),
      acknowledged,
    )
    t.ok(events.length <= acknowledged.length + 1, 'at most the one whose answer was lost is there besides')
    t.equal(await second.stop(), 0)
  },
)

function acceptOf(n: number): Record<string, string> {
  return { ...as('viewer'), accept: n % 2 === 0 ? 'text/event-stream' : 'application/x-ndjson' }
}

async function publishMegabytes(gateway: GatewayProcess, megabytes: number): Promise<void> {
  const events = Array.from({ length: 4 }, () => ({
    type: 'thing.made',
    data: { text: 'x'.repeat(250_000) },
  }))
  for (let n = 0; n < megabytes; n += 1) await publish(gateway, events)
}

async function clients(gateway: GatewayProcess): Promise<number> {
  return Object(await (await fetch(`${gateway.url}/ready`)).json()).sse.clients
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function untilText(
  stream: Awaited<ReturnType<typeof openStream>> | undefined,
  text: string,
): Promise<void> {
  await stream?.until(() => stream.text().includes(text))
}
