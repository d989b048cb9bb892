import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { followGateway } from '../../harness/followed-gateway.js'
import { preparePostgres } from '../../harness/postgres.js'
import { execute } from '../../harness/server.js'

const END_SESSIONS = `select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = 'app'`

t.test(
  'a rotated password: open connections serve on, new ones are refused, and the gateway goes on once it fits again',
  async t => {
    const postgres = await preparePostgres(t)
    const rules = join(postgres.cluster, 'pg_hba.conf')
    await writeFile(rules, `host all app 127.0.0.1/32 scram-sha-256\n${await readFile(rules, 'utf8')}`)
    await postgres.start()
    await execute(postgres.url, `create role app login superuser password 'old'`)
    const url = (password: string) => postgres.url.replace('postgres@', `app:${password}@`)
    await migrate(url('old'))
    const followed = await followGateway(t, url('old'))
    await followed.publish()

    await execute(postgres.url, `alter role app password 'new'`)
    const served = await followed.publish()
    await execute(postgres.url, END_SESSIONS)
    const refused = [await followed.publish(), await followed.page()]
    const newcomer = await followed.newcomer()
    await followed.untilMode('degraded')
    const replacement = await followGateway(t, url('new'))
    const elsewhere = await replacement.publish()
    await execute(postgres.url, `alter role app password 'old'`)
    await followed.untilMode('normal')
    const again = await followed.publish()

    t.equal(served.status, 201)
    for (const answer of refused)
      t.match(answer, { status: 503, code: 'database-unavailable', database: 'not-set-up', retryAfter: '2' })
    t.match(newcomer, { event: 'unavailable', data: '{"reason":"database","database":"not-set-up"}' })
    t.strictSame([elsewhere.status, again.status], [201, 201])
    t.equal((await followed.showsTheLog(postgres.url)).length, 4)
  },
)
