import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'

t.test('rows come as an aligned table, as the server writes them', async t => {
  const { url } = await createDatabase(t)

  const result = await sql(
    { DATABASE_URL: url },
    `values (1::bigint, 'one', null), (10, 'ten', '{"a":  1.0}'::json)`,
  )

  t.strictSame(result, {
    code: 0,
    stderr: '',
    stdout: `column1 | column2 | column3
--------+---------+------------
1       | one     | null
10      | ten     | {"a":  1.0}
(2 rows)
`,
  })
})

t.test('control characters in the data do not reach the terminal', async t => {
  const { url } = await createDatabase(t)

  const { stdout } = await sql({ DATABASE_URL: url }, `select e'a\\nb\\x1b[31m' as text`)

  t.match(stdout, 'a\\nb\\u001b[31m\n')
})

t.test('other statements say how many rows they changed', async t => {
  const { url } = await createDatabase(t)

  const { code, stdout } = await sql(
    { DATABASE_URL: url },
    'create table n (n int); insert into n values (1), (2)',
  )

  t.equal(code, 0)
  t.equal(stdout, 'CREATE\nINSERT 2\n')
})

t.test('an SQL error is shown with its hint, and the exit code is 1', async t => {
  const { url } = await createDatabase(t)

  const { code, stderr } = await sql({ DATABASE_URL: url }, 'select lenght(1)')

  t.equal(code, 1)
  t.match(stderr, /^ERROR: function lenght\(integer\) does not exist\nHINT: /)
})

t.test('without DATABASE_URL it asks the embedded Postgres of the data folder', async t => {
  const { url } = await createDatabase(t)
  const folder = t.testdir({ url: `${url}\n` })

  const { code, stdout } = await sql({ DATA_DIR: folder }, 'select 1 as one')

  t.equal(code, 0)
  t.match(stdout, '(1 row)')
})

t.test('without any database it says what to do, and the exit code is 2', async t => {
  const folder = t.testdir({ stale: { url: 'postgres://postgres@/postgres?host=%2Fnowhere\n' } })

  const none = await sql({ DATA_DIR: folder }, 'select 1')
  const stale = await sql({ DATA_DIR: join(folder, 'stale') }, 'select 1')

  t.match(none, { code: 2, stderr: /no embedded Postgres is running\. Run "npm start"/ })
  t.match(stale, { code: 2, stderr: /The database does not answer: .*ENOENT/ })
})

t.test('wrong usage is explained, and the exit code is 2', async t => {
  t.match(await sql({}), { code: 2, stderr: /^Usage: / })
  t.match(await sql({}, 'select', '1'), { code: 2, stderr: /one pair of quotes/ })
  t.match(await sql({}, '--help'), { code: 0, stdout: /^Usage: / })
})

/** Runs the script with this environment only. */
async function sql(env: Record<string, string>, ...args: string[]) {
  const script = fileURLToPath(new URL('../../../scripts/sql.js', import.meta.url))
  return await new Promise<{ code: unknown; stdout: string; stderr: string }>(resolve => {
    execFile(process.execPath, [script, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, stdout, stderr })
    })
  })
}
