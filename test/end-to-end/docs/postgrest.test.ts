/**
 * docs/recipes/postgrest.md as a reader walks it: on a server of its own, because the page creates roles, as a role that is
 * no superuser, as in Supabase. `postgrest` is a stand-in that sends the statements that PostgREST documents.
 */
import t from 'tap'
import { fences, read } from '../../harness/document.js'
import { startPgBouncer, withoutPgBouncer } from '../../harness/pgbouncer.js'
import { freePort } from '../../harness/port.js'
import { preparePostgres } from '../../harness/postgres.js'
import { findProgram } from '../../harness/program.js'
import { execute, withDatabase } from '../../harness/server.js'
import { readSettings, startStandInPostgrest } from '../../harness/stand-in-postgrest.js'
import { openTerminals } from '../../harness/terminals.js'

const lacking = ['psql', 'curl', 'openssl'].find(program => findProgram([program]) === undefined)
const skip = lacking === undefined ? withoutPgBouncer() : `needs ${lacking}`

t.test('the page runs as it stands', { skip }, async t => {
  const postgres = await preparePostgres(t)
  await postgres.start()
  await execute(postgres.url, 'create role owner login createrole bypassrls')
  await execute(postgres.url, 'create database app owner owner')
  const [gatewayPort, postgrestPort] = [await freePort(), await freePort()]
  const app = withDatabase(postgres.url, 'app').replace('postgres@', 'owner@')
  const server = new URL(postgres.url)
  const instead = [
    ['127.0.0.1:5432', server.host],
    ['127.0.0.1:8080', `127.0.0.1:${gatewayPort}`],
    ['127.0.0.1:3000', `127.0.0.1:${postgrestPort}`],
  ] as const
  const here = (text: string) => instead.reduce((said, [page, meant]) => said.replaceAll(page, meant), text)
  const terminals = openTerminals(t, {
    folder: t.testdir({}),
    env: { HOST: '127.0.0.1', PORT: `${gatewayPort}`, RATE_LIMIT_MAX: '0', LOG_LEVEL: 'warn' },
    instead,
    databaseUrl: app,
  })
  const steps = fences(read('docs/recipes/postgrest.md'))
  let conf = ''
  let pooler = ''
  let postgrest = { stop: async () => {} }

  for (const step of steps) {
    if (step.info === 'ini postgrest.conf') {
      // A later fence adds to the file, or changes it.
      conf += here(step.text).replace('127.0.0.1:6432', pooler)
      await postgrest.stop()
      postgrest = await startStandInPostgrest(t, postgrestPort, readSettings(conf))
    } else if (step.info === 'ini pgbouncer.ini') {
      t.match(step.text, 'pool_mode = transaction')
      const through = await startPgBouncer(t, app.replace('owner@', 'authenticator@'), 'transaction')
      pooler = new URL(through).host
    } else if (step.info !== 'sh postgrest') {
      await terminals.walk(step)
    }
  }

  t.equal(steps.length, 26)
})
