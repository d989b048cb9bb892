import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type Embedded, type EmbeddedOptions, startEmbedded } from '../../src/database/embedded.js'
import { isRoot } from '../../src/database/server-account.js'
import { execute, temporaryFolder } from '../harness/server.js'

const DEADLINE_MS = 20_000

t.test('a first start makes a database, and what is written survives to the next', async t => {
  const dataDir = await folder(t)
  const first = await start(t, { dataDir })
  await execute(first.url, `create table notes as select 'kept' as text`)
  await first.close()

  const second = await start(t, { dataDir })

  t.strictSame((await execute(second.url, 'select text from notes')).rows, [{ text: 'kept' }])
})

t.test('it listens on a private socket only, and keeps what it writes safe by default', async t => {
  const { url } = await start(t, { dataDir: await folder(t), settings: {} })

  const { rows } = await execute(
    url,
    `select current_setting('listen_addresses') as addresses, current_setting('fsync') as fsync`,
  )

  t.strictSame(rows, [{ addresses: '', fsync: 'on' }])
  t.equal((await stat(socketsOf(url))).mode & 0o777, 0o700)
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

t.test('closing waits until the server has left, leaves no socket, and may be repeated', async t => {
  const dataDir = await folder(t)
  const server = await start(t, { dataDir })
  const pid = await serverPid(dataDir)

  await Promise.all([server.close(), server.close()])
  await server.close()

  t.notOk(isAlive(pid))
  await t.rejects(stat(socketsOf(server.url)), { code: 'ENOENT' })
})

t.test('a server that is killed comes back at the same address', async t => {
  const dataDir = await folder(t)
  const lines: string[] = []
  const { url } = await start(t, { dataDir, onLog: line => lines.push(line) })
  await execute(url, `create table notes as select 'kept' as text`)

  for (const round of [1, 2]) {
    process.kill(await serverPid(dataDir), 'SIGKILL')
    const { rows } = await untilAnswered(url, 'select text from notes')
    t.strictSame(rows, [{ text: 'kept' }], `round ${round}`)
  }

  t.ok(lines.some(line => line.includes('started again')))
})

t.test('a server that somebody shuts down comes back too', async t => {
  const dataDir = await folder(t)
  const { url } = await start(t, { dataDir })
  const pid = await serverPid(dataDir)

  process.kill(pid, 'SIGINT')
  await until(() => !isAlive(pid))

  t.strictSame((await untilAnswered(url, 'select 1 as one')).rows, [{ one: 1 }])
})

t.test('a server that is closed while it is down stays down', async t => {
  const dataDir = await folder(t)
  const server = await start(t, { dataDir })
  const pid = await serverPid(dataDir)

  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid))
  await server.close()

  const next = await start(t, { dataDir })
  t.strictSame((await execute(next.url, 'select 1 as one')).rows, [{ one: 1 }])
})

t.test('when its process is killed the server leaves, and a start that follows at once works', async t => {
  const dataDir = await folder(t)
  const { child, url } = await startInChild(t, dataDir)
  await execute(url, `create table notes as select 'kept' as text`)
  const pid = await serverPid(dataDir)

  child.kill('SIGKILL')
  const next = await start(t, { dataDir })

  t.strictSame((await execute(next.url, 'select text from notes')).rows, [{ text: 'kept' }])
  t.notOk(isAlive(pid))
  await until(() =>
    stat(socketsOf(url)).then(
      () => false,
      () => true,
    ),
  )
})

t.test('a start waits for the server of a killed process that takes its time to leave', async t => {
  const dataDir = await folder(t)
  const { child } = await startInChild(t, dataDir)
  const pid = await serverPid(dataDir)
  process.kill(pid, 'SIGSTOP')

  child.kill('SIGKILL')
  const next = start(t, { dataDir })
  const early = await Promise.race([next.then(() => 'started'), sleep(500, 'waiting')])
  process.kill(pid, 'SIGCONT')

  t.equal(early, 'waiting')
  t.strictSame((await execute((await next).url, 'select 1 as one')).rows, [{ one: 1 }])
})

t.test('a data folder in use is refused with the remedy, and its user is not disturbed', async t => {
  const dataDir = await folder(t)
  const { url } = await startInChild(t, dataDir)

  const second = startEmbedded({ dataDir, pgBin: process.env.PG_BIN })

  await t.rejects(second, { message: /in use by another process.*DATA_DIR.*DATABASE_URL/ })
  t.strictSame((await execute(url, 'select 1 as one')).rows, [{ one: 1 }])
  t.equal((await readFile(join(dataDir, 'url'), 'utf8')).trim(), url)
})

t.test('of two first starts at once one gets the folder and the other the remedy', async t => {
  const dataDir = await folder(t)

  const starts = await Promise.allSettled([start(t, { dataDir }), start(t, { dataDir })])

  const servers = starts.flatMap(start => (start.status === 'fulfilled' ? [start.value] : []))
  const refusals = starts.flatMap(start => (start.status === 'rejected' ? [start.reason.message] : []))
  t.equal(servers.length, 1)
  t.match(refusals, [/in use by another process/])
  t.strictSame((await readdir(dataDir)).sort(), ['postgres', 'url'])
})

t.test('a lock file whose number another program has by now does not keep it from starting', async t => {
  const dataDir = await folder(t)
  await (await start(t, { dataDir })).close()
  const { uid, gid } = await stat(join(dataDir, 'postgres'))
  const other = spawn('sleep', ['600'], { ...(isRoot && { uid, gid }), stdio: 'ignore' })
  t.teardown(() => other.kill())
  const lock = join(dataDir, 'postgres', 'postmaster.pid')
  await writeFile(lock, `${other.pid}\n${join(dataDir, 'postgres')}\n`)
  if (isRoot) await chown(lock, uid, gid)

  const { url } = await start(t, { dataDir })

  t.strictSame((await execute(url, 'select 1 as one')).rows, [{ one: 1 }])
})

t.test('what a start that was cut short has left is ignored and removed', async t => {
  const dataDir = await folder(t)
  await mkdir(join(dataDir, 'postgres-draft-abc123', 'base'), { recursive: true })

  await start(t, { dataDir })

  t.strictSame((await readdir(dataDir)).sort(), ['postgres', 'url'])
})

t.test('a data folder of another major version is refused and left as it is', async t => {
  const dataDir = await folder(t)
  await (await start(t, { dataDir })).close()
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '13\n')

  await t.rejects(startEmbedded({ dataDir, pgBin: process.env.PG_BIN }), {
    message: /was made by PostgreSQL 13, and this is \d+\. Set PG_BIN .*DATA_DIR/,
  })
})

t.test('a folder that holds something else is refused', async t => {
  const dataDir = await folder(t)
  await mkdir(join(dataDir, 'postgres'))
  await writeFile(join(dataDir, 'postgres', 'letters.txt'), 'Dear …')

  await t.rejects(startEmbedded({ dataDir, pgBin: process.env.PG_BIN }), {
    message: /not a Postgres data folder/,
  })

  t.strictSame(await readdir(join(dataDir, 'postgres')), ['letters.txt'])
})

t.test('a server that cannot start says what it logged', async t => {
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

t.test('as root the server runs as somebody else', { skip: !isRoot && 'not root' }, async t => {
  const dataDir = await folder(t)

  await start(t, { dataDir })

  const { uid } = await stat(`/proc/${await serverPid(dataDir)}`)
  t.not(uid, 0)
  t.equal((await stat(join(dataDir, 'postgres'))).uid, uid)
})

t.test('as root in a folder that is closed to others', { skip: !isRoot && 'not root' }, async t => {
  const closed = await folder(t)
  await chmod(closed, 0o700)
  const dataDir = join(closed, 'data')
  const first = await start(t, { dataDir })
  const place = await readlink(join(dataDir, 'postgres'))
  t.teardown(() => rm(place, { recursive: true, force: true }))
  await execute(first.url, `create table notes as select 'kept' as text`)
  await first.close()

  const second = await start(t, { dataDir })

  t.strictSame((await execute(second.url, 'select text from notes')).rows, [{ text: 'kept' }])
  t.equal((await stat(closed)).mode & 0o777, 0o700, 'the folder stays closed')
})

async function folder(t: Test): Promise<string> {
  const path = await temporaryFolder()
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

async function start(t: Test, options: EmbeddedOptions): Promise<Embedded> {
  const server = await startEmbedded({ pgBin: process.env.PG_BIN, settings: { fsync: 'off' }, ...options })
  t.teardown(() => server.close())
  return server
}

async function startInChild(t: Test, dataDir: string) {
  const script = fileURLToPath(new URL('./embedded-parent.js', import.meta.url))
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const [url] = await once(createInterface({ input: child.stdout }), 'line')
  return { child, url: String(url) }
}

async function serverPid(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10)
}

function socketsOf(url: string): string {
  return decodeURIComponent(url.replace(/^.*host=/, ''))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(fact: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await fact())) {
    if (performance.now() > deadline) throw new Error(`Not within ${DEADLINE_MS} ms: ${fact}`)
    await sleep(10)
  }
}

async function untilAnswered(url: string, sql: string) {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    try {
      return await execute(url, sql)
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(10)
    }
  }
}
