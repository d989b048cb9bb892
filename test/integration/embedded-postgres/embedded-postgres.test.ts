import { execFileSync } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startEmbedded } from '../../../src/embedded-postgres/embedded-postgres.js'
import { execute } from '../../harness/server.js'
import { until } from '../../harness/until.js'
import {
  folder,
  isAlive,
  serverPid,
  socketsOf,
  start,
  startInChild,
  untilAnswered,
} from './embedded-server.js'

t.test('a first start creates a database, and its data survives to the next start', async t => {
  const dataDir = await folder(t)
  const first = await start(t, { dataDir })
  await execute(first.url, `create table notes as select 'kept' as text`)
  await first.close()

  const second = await start(t, { dataDir })

  t.strictSame((await execute(second.url, 'select text from notes')).rows, [{ text: 'kept' }])
})

t.test('the server listens on a private socket only, and writes durably by default', async t => {
  const { url } = await start(t, { dataDir: await folder(t), settings: {} })

  const { rows } = await execute(
    url,
    `select current_setting('listen_addresses') as addresses, current_setting('fsync') as fsync`,
  )

  t.strictSame(rows, [{ addresses: '', fsync: 'on' }])
  t.equal((await stat(socketsOf(url))).mode & 0o777, 0o700)
})

t.test('libpq variables in the environment have no effect', async t => {
  const wrong = { PGHOST: 'nowhere', PGPORT: '1', PGUSER: 'nobody', PGDATABASE: 'none', PGSSLMODE: 'require' }
  const more = { PGSSLNEGOTIATION: 'direct', PGOPTIONS: '-c nonsense=1', PGPASSWORD: 'x', PGAPPNAME: 'y' }
  t.intercept(process, 'env', { value: { ...process.env, ...wrong, ...more } })

  const { url } = await start(t, { dataDir: await folder(t) })

  t.strictSame((await execute(url, 'select current_user as me')).rows, [{ me: 'postgres' }])
})

t.test('letters of every script have an upper and a lower case', async t => {
  const { url } = await start(t, { dataDir: await folder(t) })

  const { rows } = await execute(
    url,
    `select lower('ÄΩЖ') as lower, current_setting('server_version_num')::int as version`,
  )

  t.equal(rows[0].lower, rows[0].version >= 170_000 ? 'äωж' : 'ÄΩЖ')
})

t.test('the address is in a file of the data folder for as long as the server runs', async t => {
  const dataDir = await folder(t)
  const server = await start(t, { dataDir })

  const text = await readFile(join(dataDir, 'url'), 'utf8')
  const { mode } = await stat(join(dataDir, 'url'))
  await server.close()

  t.equal(text, `${server.url}\n`)
  t.equal(mode & 0o777, 0o600)
  t.strictSame(await readdir(dataDir), ['postgres'])
})

t.test('closing waits until the server has exited, leaves no socket, and may be repeated', async t => {
  const dataDir = await folder(t)
  const server = await start(t, { dataDir })
  const pid = await serverPid(dataDir)

  await Promise.all([server.close(), server.close()])
  await server.close()

  t.notOk(isAlive(pid))
  await t.rejects(stat(socketsOf(server.url)), { code: 'ENOENT' })
})

t.test('a killed server restarts at the same address', async t => {
  const dataDir = await folder(t)
  const lines: string[] = []
  const { url } = await start(t, { dataDir, onLog: line => lines.push(line) })
  await execute(url, `create table notes as select 'kept' as text`)

  for (const round of [1, 2]) {
    process.kill(await serverPid(dataDir), 'SIGKILL')
    const { rows } = await untilAnswered(url, 'select text from notes')
    t.strictSame(rows, [{ text: 'kept' }], `round ${round}`)
  }

  t.ok(lines.some(line => line.includes('ended by itself; restarting it')))
})

t.test('a server restarts each time that it is killed together with its supervising shell', async t => {
  const dataDir = await folder(t)
  const { url } = await start(t, { dataDir })

  for (const round of [1, 2, 3]) {
    const pid = await serverPid(dataDir)
    const keeper = Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)]))
    for (const victim of [keeper, pid]) process.kill(victim, 'SIGKILL')
    await until('its end', () => !isAlive(pid))
    t.strictSame((await untilAnswered(url, 'select 1 as one')).rows, [{ one: 1 }], `round ${round}`)
  }
})

t.test('a server that an operator shuts down restarts too', async t => {
  const dataDir = await folder(t)
  const { url } = await start(t, { dataDir })
  const pid = await serverPid(dataDir)

  process.kill(pid, 'SIGINT')
  await until('its end', () => !isAlive(pid))

  t.strictSame((await untilAnswered(url, 'select 1 as one')).rows, [{ one: 1 }])
})

t.test('a server that is closed while it is down stays down', async t => {
  const dataDir = await folder(t)
  const server = await start(t, { dataDir })
  const pid = await serverPid(dataDir)

  process.kill(pid, 'SIGKILL')
  await until('its end', () => !isAlive(pid))
  await server.close()

  const next = await start(t, { dataDir })
  t.strictSame((await execute(next.url, 'select 1 as one')).rows, [{ one: 1 }])
})

t.test('the server exits when its process is killed, and a start right after that works', async t => {
  const dataDir = await folder(t)
  const { child, url } = await startInChild(t, dataDir)
  await execute(url, `create table notes as select 'kept' as text`)
  const pid = await serverPid(dataDir)

  child.kill('SIGKILL')
  const next = await start(t, { dataDir })

  t.strictSame((await execute(next.url, 'select text from notes')).rows, [{ text: 'kept' }])
  t.notOk(isAlive(pid))
  await until('the end of its sockets', () =>
    stat(socketsOf(url)).then(
      () => false,
      () => true,
    ),
  )
})

t.test('the error of a server that cannot start has its log', async t => {
  const dataDir = await folder(t)

  const failed = startEmbedded({ dataDir, pgBin: process.env.PG_BIN, settings: { fsync: 'maybe' } })

  await t.rejects(failed, { message: /did not start:.*parameter "fsync" requires a Boolean value/s })
})

t.test('binaries that do not run are refused, naming what to set instead', async t => {
  await t.rejects(startEmbedded({ dataDir: await folder(t), pgBin: '/nowhere' }), {
    message: /\/nowhere.*DATABASE_URL.*PG_BIN/,
  })
})

t.test('a platform without binaries is refused, naming what to set instead', async t => {
  const dataDir = await folder(t)
  t.intercept(process, 'arch', { value: 'mips' })

  await t.rejects(startEmbedded({ dataDir }), {
    message: /linux-mips is not installed.*DATABASE_URL.*PG_BIN/,
  })
})
