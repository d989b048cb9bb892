/**
 * The quick starts and recipes as a reader walks them: all commands of a page in their order, on a Postgres of its own with an empty
 * database `app`, in the root of the package. A `text` fence is what a terminal shows.
 */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { fences, read } from '../../harness/document.js'
import { freePort } from '../../harness/port.js'
import { preparePostgres } from '../../harness/postgres.js'
import { findProgram } from '../../harness/program.js'
import { execute, temporaryFolder } from '../../harness/server.js'
import { openTerminals } from '../../harness/terminals.js'
import { token } from '../../harness/tokens.js'

interface Walk {
  readonly page: string
  /** Programs that it needs, besides Node. */
  readonly programs: readonly string[]
  /** Its fences, so that none is skipped by mistake. */
  readonly steps: number
  /** Its reader pastes the tokens that the gateway prints; every other page must say where each value comes from. */
  readonly hasPastedTokens?: boolean
}

const WALKS: readonly Walk[] = [
  { page: 'docs/start/desktop.md', programs: ['curl', 'python3', 'java'], steps: 12, hasPastedTokens: true },
  {
    page: 'docs/start/operator.md',
    programs: ['nginx', 'curl', 'psql', 'pg_dump', 'createdb', 'python3'],
    steps: 18,
  },
  { page: 'docs/start/sql.md', programs: ['curl', 'psql'], steps: 16 },
  { page: 'docs/recipes/moving.md', programs: ['curl', 'psql'], steps: 12, hasPastedTokens: true },
  { page: 'docs/recipes/existing-database.md', programs: ['curl', 'psql'], steps: 10 },
]
const SECRET = 'the secret of your tokens, 32 characters or more'
/** Its pg_dump must be as new as the server, and Debian has none for the embedded one. */
const DEBIAN_15 = '/usr/lib/postgresql/15/bin'
if (existsSync(join(DEBIAN_15, 'initdb'))) process.env.PG_BIN = DEBIAN_15
const PORTS = [8080, 8081, 8082, 8083, 8090]

for (const { page, programs, steps, hasPastedTokens = false } of WALKS) {
  const lacking = programs.find(name => findProgram([name], ['/usr/sbin']) === undefined)
  const skip = lacking === undefined ? false : `needs ${lacking}`

  t.test(`${page} runs as it stands`, { skip }, async t => {
    const folder = await temporaryFolder()
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const postgres = await preparePostgres(t)
    await postgres.start()
    await execute(postgres.url, 'create database app')
    const url = postgres.url.replace(/postgres$/, 'app')
    const ports = await Promise.all(PORTS.map(async port => [port, await freePort()] as const))
    const port = (page: number) => ports.find(([each]) => each === page)?.[1]
    const sign = (role: string) => token({ role, workspace: 'demo' }, {}, SECRET)
    const terminals = openTerminals(t, {
      env: {
        ...{ HOME: folder, HOST: '127.0.0.1', PORT: `${port(8080)}`, LOG_LEVEL: 'warn' },
        ...(hasPastedTokens && {
          JWT_SECRET: SECRET,
          DATABASE_URL: url,
          VIEWER_TOKEN: sign('viewer'),
          EDITOR_TOKEN: sign('editor'),
        }),
      },
      instead: [
        ['npm ci && npm start', 'npm start'],
        ['127.0.0.1:5432', new URL(url).host],
        ['/tmp/', `${folder}/`],
        ...ports.flatMap(([there, here]) => [
          [`127.0.0.1:${there}`, `127.0.0.1:${here}`] as const,
          [`PORT=${there}`, `PORT=${here}`] as const,
        ]),
      ],
      databaseUrl: url,
    })
    // Code of other languages is part of another program, and so is that before a move.
    const all = fences(read(page)).filter(({ info }) => /^(sh|sql|text)\b(?! before)/.test(info))

    for (const step of all) await terminals.walk(step)

    t.equal(all.length, steps)
  })
}
