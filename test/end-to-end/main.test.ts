import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { createDatabase, createEmptyDatabase } from '../harness/database.js'
import { openStream } from '../harness/event-stream.js'
import { testEnvironment } from '../harness/gateway.js'
import { freePort } from '../harness/port.js'
import { preparePostgres } from '../harness/postgres.js'
import { startProcess, startProgram } from '../harness/process.js'
import { findProgram } from '../harness/program.js'
import { asOwner, execute, temporaryFolder, uniqueName, withDatabase } from '../harness/server.js'
import { bearer, SECRET } from '../harness/tokens.js'
import { until } from '../harness/until.js'

const run = promisify(execFile)
const withoutCurl = findProgram(['curl']) === undefined && 'curl is not installed'

/** A folder for the embedded Postgres of one test; small and fast settings are not offered to users, so not here. */
async function dataFolder(t: Test): Promise<string> {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
  return folder
}

t.test('--help and --version print and exit', async t => {
  const help = startProgram(t, { args: ['--help'] })
  const version = startProgram(t, { args: ['--version'] })

  t.match(await help.until(/--demo/), ['--demo'])
  t.match(await version.until(/^sluice \d+\.\d+\.\d+/), [/^sluice/])
  t.equal(await help.ended(), 0)
  t.equal(await version.ended(), 0)
})

t.test('an unknown option is refused with the usage', async t => {
  const program = startProgram(t, { args: ['--dmeo'] })

  await program.until(/'--dmeo'[\s\S]*Usage: sluice/)
  t.equal(await program.ended(), 2)
})

t.test('each fault of the configuration is named, with its remedy, and no secret is shown', async t => {
  const env = { PORT: '80800', JWT_SECRET: 'too short', BUS: 'kafka', DATABASE_URL: 'mysql://db' }
  const program = startProgram(t, { env })

  t.equal(await program.ended(), 2)

  t.match(
    program.output(),
    /^PORT is "80800"\. Write .* to 65535, .* TCP port to listen on\. 0 = any free port\.$/m,
  )
  t.match(program.output(), /^JWT_SECRET is .* at least 32 random characters/m)
  t.match(program.output(), /^BUS is "kafka"\. Write one of postgres, nats, redis, memory;/m)
  t.match(program.output(), /^DATABASE_URL is .* Write a URL such as postgres:\/\//m)
  t.equal(program.output().trim().split('\n').length, 4, 'and nothing else')
  t.notMatch(program.output(), /too short|mysql/)
})

t.test('a missing artifacts folder and a misspelt variable are reported', async t => {
  const env = { ARTIFACTS_DIR: '/nowhere', RATE_LIMIT_MXA: '1', PGPORTS: '1' }
  const program = startProgram(t, { env: { ...testEnvironment('postgres://127.0.0.1:1/none'), ...env } })

  t.equal(await program.ended(), 2)

  t.match(program.output(), /^RATE_LIMIT_MXA is no variable .* RATE_LIMIT_MAX\?/m)
  t.match(program.output(), /^ARTIFACTS_DIR is "\/nowhere", .*\(ENOENT\)\. Create it/m)
  t.equal(program.output().trim().split('\n').length, 2, 'and nothing else')
})

t.test('a missing role, database or privilege is reported with the statement that fixes it', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const role = uniqueName('plain')
  await pool.query(`create role ${role} login password 'plain'`)
  t.teardown(() => execute(asOwner(url), `drop role ${role}`))
  const database = /\/(sluice_test_\w+)/.exec(url)?.[1]
  const as = (name: string) => url.replace(/\/\/([^@/]*@)?/, `//${name}:plain@`)
  const starts: [url: string, told: RegExp][] = [
    [as(role), new RegExp(`permission denied .*grant create on database ${database} to ${role};`)],
    [as('nobody_here'), /create role nobody_here login password '…';|database "none"/],
    [
      withDatabase(url, 'none_here'),
      /"none_here" does not exist\. Create it \(create database none_here owner/,
    ],
  ]

  for (const [databaseUrl, told] of starts) {
    const program = startProgram(t, { env: testEnvironment(databaseUrl) })
    t.equal(await program.ended(), 1)
    t.match(program.output(), told)
    t.match(program.output(), /^Sluice cannot start: /)
  }
})

t.test('production refuses each development setting and names the remedy', async t => {
  const bare = startProgram(t, { env: { NODE_ENV: 'production' } })
  const twoKeys = startProgram(t, {
    env: {
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://db/x',
      JWT_SECRET: SECRET,
      JWKS_URL: 'https://id.example',
    },
  })

  t.equal(await bare.ended(), 2)
  t.equal(await twoKeys.ended(), 2)

  t.match(bare.output(), /^DATABASE_URL is not set\. .*postgres:\/\//m)
  t.match(bare.output(), /^No JWT key is set\. .*JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL/m)
  t.match(twoKeys.output(), /exclude each other\. Set one of them/)
})

t.test('in production a gateway starts and prints no token', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { NODE_ENV: 'production' } })

  await until('it is ready', async () => (await fetch(`${gateway.url}/ready`)).status === 200)
  t.notMatch(gateway.output(), 'Bearer')
  t.equal(await gateway.stop(), 0)
})

t.test('a port in use is reported, and the embedded Postgres stops', async t => {
  const other = createServer().listen(await freePort(), '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = Object(other.address())
  const dataDir = await dataFolder(t)

  const program = startProgram(t, { env: { PORT: `${port}`, DATA_DIR: dataDir } })

  t.equal(await program.ended(), 1)
  t.match(program.output(), new RegExp(`\\b${port}\\b.* PORT\\b`), 'it names the port and the variable')
  t.notMatch(program.output(), /\n {4}at /, 'what a user can mend needs no stack')
  t.notMatch(program.output(), /database/)
  await t.rejects(readFile(join(dataDir, 'postgres', 'postmaster.pid')), { code: 'ENOENT' })
})

t.test('the start waits for a database that is not up yet', async t => {
  const postgres = await preparePostgres(t)
  const env = { DATABASE_URL: postgres.url, PORT: '0', DATA_DIR: await dataFolder(t) }
  const [staying, leaving] = [startProgram(t, { env }), startProgram(t, { env })]
  for (const program of [staying, leaving]) await program.until(/The database cannot be reached yet/)

  leaving.signal('SIGTERM')
  t.equal(await leaving.ended(), 0, 'a signal ends the waiting')
  await postgres.start()
  const [, url] = await staying.until(/^Sluice listens on (\S+)$/m)

  await until('it is ready', async () => (await fetch(`${url}/ready`)).status === 200)
  staying.signal('SIGTERM')
  t.equal(await staying.ended(), 0)
})

t.test('a refusal by the database is reported at once', async t => {
  const { url } = await createDatabase(t)
  const program = startProgram(t, { env: { DATABASE_URL: withDatabase(url, 'nowhere'), PORT: '0' } })

  t.equal(await program.ended(), 1)
  t.match(program.output(), 'database "nowhere" does not exist')
  t.notMatch(program.output(), /\n {4}at /)
})

t.test('the commands that the start prints work when copied', { skip: withoutCurl }, async t => {
  const gateway = await startProcess(t, { env: { JWT_SECRET: '', DATA_DIR: await dataFolder(t) } })
  const [, watch = ''] = await gateway.until(/^ {2}(curl -N .*)$/m)
  const [, change = ''] = await gateway.until(/^ {2}(curl (?!-N)(?:.*\\\n)+.*)$/m)

  const watching = spawn('/bin/sh', ['-c', `exec ${watch}`], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => watching.kill())
  const seen = lines(watching.stdout)
  await seen('event: server.state')
  const { stdout } = await run('/bin/sh', ['-c', change])

  t.match(JSON.parse(stdout), { part_number: 'A01-0001', revision: 1 })
  await seen('event: item.created')
  t.equal(
    await seen('data: {"part_number"'),
    'data: {"part_number":"A01-0001","description":"Bracket","item_type":"part"}',
  )
  t.equal(await gateway.stop(), 0)
})

t.test('with --demo items change; a second gateway cannot use the same data folder', async t => {
  const dataDir = await dataFolder(t)
  const gateway = await startProcess(t, { args: ['--demo'], env: { DATA_DIR: dataDir, JWT_SECRET: '' } })
  const [, viewer = ''] = await gateway.until(/Bearer ([\w.-]+)/)
  const stream = await openStream(t, `${gateway.url}/api/events?from=beginning`, { headers: bearer(viewer) })
  await stream.until(messages => messages.some(({ event }) => event === 'item.created'))

  const second = startProgram(t, { env: { DATA_DIR: dataDir, PORT: '0' } })

  t.equal(await second.ended(), 1)
  t.match(second.output(), /is in use by another process.* DATA_DIR/)
  t.notMatch(second.output(), /\n {4}at /)
  await stream.until(stream.messages.length + 1)
  t.equal(await gateway.stop(), 0, 'also while the demo plays')
})

/** Calls back with the first line from here on that begins so. */
function lines(output: AsyncIterable<Buffer>): (beginning: string) => Promise<string> {
  const iterator = (async function* () {
    let rest = ''
    for await (const chunk of output) {
      const parts = (rest + chunk).split('\n')
      rest = parts.pop() ?? ''
      yield* parts
    }
  })()
  return async beginning => {
    for (;;) {
      const { value, done } = await iterator.next()
      if (done) throw new Error(`The output ended before '${beginning}'.`)
      if (value.startsWith(beginning)) return value
    }
  }
}
