import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startEmbedded } from '../../../src/embedded-postgres/embedded-postgres.js'
import { isRoot } from '../../../src/embedded-postgres/server-account.js'
import { execute } from '../../harness/server.js'
import { folder, isAlive, serverPid, start, startInChild } from './embedded-server.js'

t.test('a start waits for the server of a killed process to exit', async t => {
  const dataDir = await folder(t)
  const { child } = await startInChild(t, dataDir)
  const pid = await serverPid(dataDir)
  process.kill(pid, 'SIGSTOP')
  const resume = () => isAlive(pid) && process.kill(pid, 'SIGCONT')
  t.teardown(resume)

  child.kill('SIGKILL')
  const next = start(t, { dataDir })
  const early = await Promise.race([next.then(() => 'started'), sleep(500, 'waiting')])
  resume()

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

t.test(
  'of two concurrent first starts one gets the folder and the other an error with the remedy',
  async t => {
    const dataDir = await folder(t)

    const starts = await Promise.allSettled([start(t, { dataDir }), start(t, { dataDir })])

    const servers = starts.flatMap(start => (start.status === 'fulfilled' ? [start.value] : []))
    const refusals = starts.flatMap(start => (start.status === 'rejected' ? [start.reason.message] : []))
    t.equal(servers.length, 1)
    t.match(refusals, [/in use by another process/])
    t.strictSame((await readdir(dataDir)).sort(), ['postgres', 'url'])
  },
)

t.test('a draft that a slower start is still writing to does not keep the winner from starting', async t => {
  const dataDir = await folder(t)
  const draft = join(dataDir, 'postgres-draft-slow')
  // So many files that some always come back while the others go. Not `: >`, which ends the shell where it fails.
  const fill = 'while :; do [ -d "$1" ] || mkdir "$1"; n=$(( (n + 1) % 300 )); true >"$1/$n"; done'
  const slow = spawn('/bin/sh', ['-c', fill, 'slow', draft], { stdio: 'ignore' })
  const gone = once(slow, 'exit')
  t.teardown(() => slow.kill('SIGKILL'))

  const { url } = await start(t, { dataDir })

  t.strictSame((await execute(url, 'select 1 as one')).rows, [{ one: 1 }])
  t.equal(slow.exitCode, null, 'it is writing still')
  slow.kill('SIGKILL')
  await gone
})

t.test(
  'a lock file with a process id that another program now has does not keep the server from starting',
  async t => {
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
  },
)

t.test('leftovers of an interrupted start are ignored and removed', async t => {
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

t.test('as root the server runs as another user', { skip: !isRoot && 'not root' }, async t => {
  const dataDir = await folder(t)

  await start(t, { dataDir })

  const { uid } = await stat(`/proc/${await serverPid(dataDir)}`)
  t.not(uid, 0)
  t.equal((await stat(join(dataDir, 'postgres'))).uid, uid)
})

t.test(
  'as root it works in a folder that is closed to others, and leaves it closed',
  { skip: !isRoot && 'not root' },
  async t => {
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
  },
)
