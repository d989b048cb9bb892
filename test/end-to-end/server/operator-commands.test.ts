/** The commands of operators on a real gateway and a real database: token, ticket, cluster, migrate, watch-table. */
import { generateKeyPairSync } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { createDatabase, createEmptyDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { publish, startGateway } from '../../harness/gateway.js'
import { freePort } from '../../harness/port.js'
import { execute, temporaryFolder } from '../../harness/server.js'
import { claimsOf, SECRET, token } from '../../harness/tokens.js'

const whoIs = async (url: string, bearer: string) => {
  const answer = await fetch(`${url}/api/principal`, { headers: { authorization: `Bearer ${bearer}` } })
  return { status: answer.status, ...((await answer.json()) as object) }
}

t.test(
  'token: the gateway of the same configuration accepts what is signed, with a secret and with a private key',
  async t => {
    const folder = await temporaryFolder()
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
    const database = await createDatabase(t)
    const rules = {
      ...{
        JWT_ISSUER: 'https://login.example.com/',
        JWT_AUDIENCE: 'sluice',
        JWT_WORKSPACE_CLAIM: 'app.tenant',
      },
      ...{ JWT_ROLE_CLAIM: 'realm_access.roles', JWT_ROLE_MAP: 'boss=admin,admin=editor' },
    }
    const secret = await startGateway(t, { databaseUrl: database.url, env: rules })
    const asked = ['token', '--sub', 'ada', '--workspace', 'acme', '--role', 'admin']

    const signed = await runCommand([...asked, '--claim', 'team=["build"]', '--claim', 'note=a=b'], {
      JWT_SECRET: SECRET,
      ...rules,
    })
    const limited = await runCommand([...asked, '--grants', '{"subscribe":["orders/*"]}'], {
      JWT_SECRET: SECRET,
      ...rules,
    })
    const long = await runCommand([...asked, '--expires', '90d'], { JWT_SECRET: SECRET })

    t.match(signed, { code: 0, told: '', out: /^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/ })
    t.match(claimsOf(signed.out), {
      team: ['build'],
      note: 'a=b',
      app: { tenant: 'acme' },
      realm_access: { roles: 'boss' },
    })
    t.match(await whoIs(secret.url, signed.out.trim()), {
      status: 200,
      id: 'ada',
      role: 'admin',
      workspace: 'acme',
    })
    t.match(await whoIs(secret.url, limited.out.trim()), { status: 200, grants: { subscribe: ['orders/*'] } })
    t.match(long, { code: 0, out: /^eyJ/, told: /^Warning: this token is valid for 90 days.*API key/ })

    const pairs = {
      ed25519: generateKeyPairSync('ed25519'),
      ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    }
    const answers: unknown[] = []
    for (const [name, { privateKey, publicKey }] of Object.entries(pairs)) {
      const file = join(folder, `${name}.pem`)
      await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }))
      const JWT_PUBLIC_KEY = publicKey.export({ type: 'spki', format: 'pem' }).toString()
      const gateway = await startGateway(t, {
        databaseUrl: database.url,
        env: { JWT_SECRET: '', JWT_PUBLIC_KEY },
      })
      const { out } = await runCommand([...asked, '--key-file', file], { JWT_PUBLIC_KEY })
      answers.push(await whoIs(gateway.url, out.trim()))
      await gateway.close()
    }
    t.match(answers, Array(3).fill({ status: 200, id: 'ada', role: 'admin' }))

    const other = join(folder, 'ec.pem')
    const JWT_PUBLIC_KEY = pairs.ed25519.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const refusals = await Promise.all([
      runCommand([...asked, '--key-file', other], { JWT_PUBLIC_KEY }),
      runCommand(asked, { JWT_PUBLIC_KEY }),
      runCommand(asked, { JWKS_URL: 'https://login.example.com/' }),
      runCommand(asked, { DATA_DIR: folder }),
      runCommand(['token', '--sub', 'ada'], { JWT_SECRET: SECRET }),
      runCommand([...asked, '--claim', 'exp=1'], { JWT_SECRET: SECRET }),
      runCommand(['token', '--sub', 'a\tb', '--workspace', 'acme'], { JWT_SECRET: SECRET }),
    ])
    t.match(refusals, [
      { code: 2, out: '', told: /does not belong to the key of the gateway/ },
      { code: 2, out: '', told: /JWT_PUBLIC_KEY, which cannot sign\. .*--key-file/ },
      { code: 2, out: '', told: /JWKS_URL, which cannot sign/ },
      { code: 2, out: '', told: /There is no key: .*sluice dev/ },
      { code: 2, out: '', told: /--workspace is missing/ },
      { code: 2, out: '', told: /--claim must not set exp/ },
      { code: 2, out: '', told: /would refuse the token\. .*sub/ },
    ])
  },
)

t.test('ticket and cluster: a link that works once, and the nodes', async t => {
  const first = await startGateway(t)
  const second = await startGateway(t, { databaseUrl: first.databaseUrl })
  const admin = {
    SLUICE_URL: first.url,
    SLUICE_TOKEN: token({ role: 'admin', workspace: 'acme', sub: 'root' }),
  }
  const viewer = {
    SLUICE_URL: second.url,
    SLUICE_TOKEN: token({ role: 'viewer', workspace: 'acme', sub: 'eve' }),
  }

  await publish(first, { type: 'item.made', data: {} })

  const link = await runCommand(
    ['ticket', '/api/events?last=0', '--grants', '{"subscribe":["feed"],"types":["item.*"]}'],
    viewer,
  )
  const stream = await openStream(t, link.out.trim())
  await stream.until(1)
  const again = await fetch(link.out.trim())
  const wrong = await runCommand(['ticket', '/api/items'], viewer)
  const relative = await runCommand(['ticket', 'api/events'], viewer)

  t.match(link, {
    code: 0,
    told: '',
    out: /^http:\/\/127\.0\.0\.1:\d+\/api\/events\?last=0&ticket=[\w-]+\n$/,
  })
  t.equal(again.status, 401)
  t.match(wrong, { code: 3, out: '', told: /invalid-path/ })
  t.match(relative, { code: 2, told: /PATH must begin with \// })

  const shown = await runCommand(['cluster'], admin)
  const json = JSON.parse((await runCommand(['cluster', '--json'], admin)).out)
  const summed = await runCommand(['cluster'], viewer)
  const dead = await runCommand(['cluster', '--url', `http://127.0.0.1:${await freePort()}`], admin)

  t.match(shown, {
    code: 0,
    out: /is ready: mode normal, database up.*\nNODE +NAME +VERSION +MODE +CLIENTS +STREAMS +LAG +BUS +MEMORY +EVENT LOOP +UP +LAST HEARD OF\n/,
  })
  t.match(
    json.nodes.map(({ lag_ms, mode }: Record<string, unknown>) => ({ lag_ms, mode })),
    Array(2).fill({ lag_ms: Number, mode: 'normal' }),
  )
  t.match(summed, { code: 0, out: /1 open stream\nThe nodes are shown to admins/ })
  t.match(dead, { code: 4, out: '', told: /No gateway answers/ })
})

t.test('migrate: it lists what is pending, applies it, and refuses a newer database', async t => {
  const { url } = await createEmptyDatabase(t)
  const env = { DATABASE_URL: url }

  const pending = await runCommand(['migrate', '--dry-run'], env)
  const applied = await runCommand(['migrate'], env)
  const nothing = await runCommand(['migrate'], env)
  const upToDate = await runCommand(['migrate', '--dry-run', '--json'], env)
  await execute(url, `insert into sluice.migrations (name, run_on) values ('9999_later', now())`)
  const newer = [await runCommand(['migrate', '--dry-run'], env), await runCommand(['migrate'], env)]
  const dead = await runCommand(['migrate'], {
    DATABASE_URL: `postgres://nobody@127.0.0.1:${await freePort()}/none`,
  })
  const invalid = await runCommand(['migrate'], { DATABASE_URL: 'mysql://x' })

  t.match(pending, { code: 1, out: /^(pending {2}\d{4}_\w+\n){45,}$/ })
  t.match(applied, { code: 0, out: /^(applied {2}\d{4}_\w+\n){45,}$/ })
  t.match(nothing, { code: 0, out: /^Nothing is pending/ })
  t.match([upToDate.code, JSON.parse(upToDate.out)], [0, { pending: [], newer: [] }])
  t.match(newer, [
    { code: 1, out: /newer Sluice .*9999_later/ },
    { code: 1, told: /newer Sluice/ },
  ])
  t.match(dead, { code: 1, told: /not migrated: the database cannot be reached\. Check DATABASE_URL/ })
  t.match(invalid, { code: 2, told: /DATABASE_URL/ })
})

t.test('watch-table: it watches a table, shows it, prints the SQL, and ends the watch', async t => {
  const { url } = await createDatabase(t)
  const env = { DATABASE_URL: url }
  const watch = (...args: string[]) => runCommand(['watch-table', ...args], env)
  await execute(
    url,
    `create table public.doors (id int primary key, state text, "own""er" text, tenant text)`,
  )
  const typesOf = async () =>
    (await execute(url, 'select type, data::text from sluice.events order by position')).rows.map(
      ({ type, data }) => `${type} ${data}`,
    )

  const args = [
    'public.doors',
    '--name',
    'door',
    '--workspace-column',
    'tenant',
    '--columns',
    'id,own"er',
    '--condition',
    `new.state <> 'it''s'`,
  ]
  const dry = await watch(...args, '--dry-run')
  const watched = await watch(...args)
  await execute(
    url,
    `insert into public.doors values (1, 'open', 'ada', 'acme'), (2, 'it''s', 'bob', 'acme')`,
  )
  const listed = await watch('--list')
  const ended = await watch('public.doors', '--unwatch')
  await execute(url, `insert into public.doors values (3, 'open', 'eve', 'acme')`)
  const again = await watch('public.doors', '--unwatch')
  const wrong = await Promise.all([
    watch('public.windows', '--workspace', 'acme'),
    watch('doors', '--workspace', 'acme'),
    watch('public.doors'),
    watch('public.doors', '--workspace', 'a', '--workspace-column', 'tenant'),
    watch('public.doors', '--workspace', 'a', '--old', 'some'),
    watch('public.doors', '--list'),
  ])

  t.match(dry, {
    code: 0,
    out: `select sluice.watch('public.doors', name => 'door', workspace_column => 'tenant', condition => 'new.state <> ''it''''s''', columns => array['id', 'own"er']);\n`,
  })
  t.match(watched, { code: 0, out: '', told: 'public.doors is watched.\n' })
  t.match(listed, { code: 0, out: /doors.*door/s })
  t.match(ended, { code: 0, told: 'public.doors is no longer watched.\n' })
  t.match(again, { code: 0, told: 'public.doors was not watched.\n' })
  t.strictSame(await typesOf(), ['door.created {"id":1,"own\\"er":"ada"}'])
  t.match(wrong, [
    { code: 1, told: /"public\.windows" does not exist\. Write the name as in SQL/ },
    { code: 2, told: /must have its schema/ },
    { code: 2, told: /one of --workspace and --workspace-column/ },
    { code: 2, told: /one of --workspace and --workspace-column/ },
    { code: 2, told: /--old must be one of none, changed, all/ },
    { code: 2, told: /--list takes no table/ },
  ])
})
