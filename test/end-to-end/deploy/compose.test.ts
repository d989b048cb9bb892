import { existsSync, readFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { drainDelayOf } from '../../../server/stop-sequence.js'
import { readConfig } from '../../../src/config/config.js'
import { Environment } from '../../../src/config/environment.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { documents, prose, read } from '../../harness/document.js'
import { publish } from '../../harness/gateway.js'
import { preparePostgres } from '../../harness/postgres.js'
import { startProcess } from '../../harness/process.js'
import { execute } from '../../harness/server.js'

const DELAY_SECONDS = drainDelayOf({ ...readConfig({}), NODE_ENV: 'production' }) / 1_000

interface Service {
  readonly environment?: Readonly<Record<string, string | number>>
  readonly networks?: { readonly default: { readonly ipv4_address: string } }
  readonly stop_grace_period?: string
  readonly restart?: string
  readonly image?: string
  readonly ports?: readonly string[]
  readonly mem_limit?: string
  readonly pids_limit?: number
  readonly healthcheck?: object
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

interface Pool {
  readonly subnet: string
  readonly ip_range: string
  readonly gateway: string
}

const text = (file: string) => readFileSync(join(packageRoot, file), 'utf8')
const project: {
  services: Record<string, Service>
  networks: { default: { ipam: { config: [Pool] } } }
} = parse(text('docker-compose.yml'), { merge: true })
const gateways = Object.entries(project.services).filter(([name]) => name.startsWith('gateway-'))
const image = text('Dockerfile')

/** What the project decides itself, and why an operator does not. */
const DECIDED: Readonly<Record<string, string>> = {
  NODE_ENV: 'the image is for production',
  HOST: 'the image listens on all addresses of its container',
  PORT: 'nginx and the health check know it',
  DATABASE_URL: 'the database is a part of the project',
  LISTEN_DATABASE_URL: 'there is no pooler in between',
  DATA_DIR: 'the image has no embedded Postgres',
  PG_BIN: 'the image has no embedded Postgres',
  JWT_SECRET: 'asked for, since without one nothing starts',
  JWT_PUBLIC_KEY: 'excludes JWT_SECRET',
  JWKS_URL: 'excludes JWT_SECRET',
  ARTIFACTS_DIR: 'the containers have no volume, and nothing else that may be written',
  ARTIFACTS_SECRET: 'for ARTIFACTS_DIR alone',
  NATS_CREDS_FILE: 'the containers have no volume for files',
  BUS_CA_FILE: 'the containers have no volume for files',
  BUS_CERT_FILE: 'the containers have no volume for files',
  BUS_KEY_FILE: 'the containers have no volume for files',
  TRUSTED_PROXIES: 'nginx has its address here',
}

t.test('a gateway reads every variable that the project sets', async t => {
  const imageNames = [...image.matchAll(/^ENV (.*)$/gm)].flatMap(([, line = '']) =>
    line.split(' ').map(pair => pair.split('=')[0] ?? ''),
  )
  const names = new Set([
    ...imageNames,
    ...gateways.flatMap(([, { environment }]) => Object.keys(environment ?? {})),
  ])

  t.ok(names.has('DATABASE_URL') && names.has('HOST'))
  for (const name of names) t.ok(Object.hasOwn(Environment.properties, name), name)
})

t.test(
  'every setting that the project does not fix is passed on, with the default of the gateway',
  async t => {
    const open = Object.keys(Environment.properties).filter(name => !Object.hasOwn(DECIDED, name))

    for (const [gateway, { environment }] of gateways) {
      for (const name of open) t.equal(environment?.[name], `\${${name}:-}`, `${name} of ${gateway}`)
    }
    for (const name of Object.keys(DECIDED)) t.ok(Object.hasOwn(Environment.properties, name), name)
  },
)

t.test('a gateway of the project starts in production, given the one secret that is asked for', async t => {
  for (const [name, { environment = {} }] of gateways) {
    const env = Object.fromEntries(
      Object.entries(environment).map(([key, value]) => [key, resolved(String(value))]),
    )

    t.doesNotThrow(() => readConfig({ ...env, NODE_ENV: 'production' }), name)
    t.throws(() => readConfig({ ...env, JWT_SECRET: 'short', NODE_ENV: 'production' }), name)
  }
  t.match(text('docker-compose.yml'), /\$\{JWT_SECRET:\?/, 'without it compose refuses')
})

t.test('gateways trust only nginx to name the addresses of clients', async t => {
  const nginx = project.services.nginx?.networks?.default.ipv4_address

  t.equal(gateways.length, 2)
  for (const [, { environment }] of gateways) t.equal(environment?.TRUSTED_PROXIES, nginx)
})

// Docker gives a container that asks for none the next free address of the range, or of the whole network, whenever it is
// started; and refuses one whose own address is taken ("Address already in use").
t.test('no container can be given the address of another one, in whatever order they start', async t => {
  const [{ subnet, ip_range: range, gateway }] = project.networks.default.ipam.config
  const services = Object.entries(project.services)
  const fixed = services.flatMap(([, { networks }]) => networks?.default.ipv4_address ?? [])
  const [all, dynamic] = [new BlockList(), new BlockList()]
  all.addSubnet(...parts(subnet))
  dynamic.addSubnet(...parts(range))

  t.equal(fixed.length, 3)
  t.equal(new Set([...fixed, gateway]).size, fixed.length + 1)
  for (const address of [...fixed, gateway]) {
    t.ok(all.check(address), `${address} is in the network`)
    t.notOk(dynamic.check(address), `${address} is not given away`)
  }
  t.ok(2 ** (32 - parts(range)[1]) - 2 > services.length, 'and there are enough for the others')
})

t.test('images have exact versions, and each service has limits and a health check', async t => {
  const images = Object.values(project.services).flatMap(({ image }) => (image?.includes(':') ? [image] : []))
  const stages = [...image.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, stage]) => stage)
  const bases = [...image.matchAll(/^FROM (\S+)/gm)]
    .map(([, base = '']) => base)
    .filter(base => !stages.includes(base))

  for (const name of [...images, ...bases]) t.match(name, /:\d+\.\d+(\.\d+)?(-|$)/, name)
  for (const [name, { mem_limit, pids_limit, healthcheck }] of Object.entries(project.services)) {
    t.match(mem_limit, /:-\d+g\}$/, name)
    t.ok(pids_limit, name)
    t.ok(
      healthcheck ?? name.startsWith('gateway-'),
      `${name} has a health check, its own or that of its image`,
    )
  }
  t.match(image, /^HEALTHCHECK /m)
})

t.test('the image has every file to which a page of its documentation links', async t => {
  const copied = [...image.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) =>
    files.split(' '),
  )
  const linked = documents().flatMap(from =>
    [...prose(read(from)).matchAll(/\]\(([^)\s#]+)/g)]
      .map(([, to = '']) => join(dirname(from), to).split('/')[0] ?? '')
      .filter(top => existsSync(join(packageRoot, top))),
  )

  t.ok(linked.includes('src') && linked.includes('examples'))
  t.strictSame(
    [...new Set(linked)].filter(top => !copied.includes(top)),
    [],
  )
})

t.test('a missing secret is an error with a sentence, and no secret has a default', async t => {
  const secrets = [...text('docker-compose.yml').matchAll(/\$\{(\w*(?:SECRET|PASSWORD)\w*)([^}]*)\}/g)]

  t.ok(secrets.length >= 3)
  for (const [given, name = '', rest] of secrets) {
    // A gateway runs without a previous secret, and derives the keys for webhooks and the bus from JWT_SECRET.
    if (/_PREVIOUS$|^WEBHOOK_SECRET_KEYS$|^BUS_SECRET$/.test(name)) t.equal(rest, ':-', given)
    else t.match(rest, new RegExp(`^:\\?Put ${name} into \\.env, `), given)
  }
})

t.test('the database has a plain owner, and a gateway starts as it with row-level security on', async t => {
  const server = await preparePostgres(t)
  await server.start()
  const [, ...statements] = text('deploy/database.sql').split(/^\\getenv password DATABASE_PASSWORD$/m)
  const script = statements.join('').replace(":'password'", "'secret'")
  for (const statement of script.split(/;$/m)) await execute(server.url, statement)
  const url = server.url.replace('//postgres@', '//sluice:secret@').replace(/postgres$/, 'sluice')

  const gateway = await startProcess(t, { databaseUrl: url, env: { LOG_LEVEL: 'info' } })
  await gateway.until(/Row-level security: on, requests are sluice_request/)

  const { rows } = await execute(
    url,
    `select rolname, rolsuper, rolbypassrls from pg_roles where rolname = current_user`,
  )
  t.strictSame(rows, [{ rolname: 'sluice', rolsuper: false, rolbypassrls: false }])
  const passwords = await execute(server.url, `select rolpassword from pg_authid where rolname = 'postgres'`)
  t.strictSame(passwords.rows, [{ rolpassword: null }])
  await publish(gateway, { type: 'thing.made', data: {} })
  t.notMatch(gateway.output(), /"level":[56]0/)
  t.equal(await gateway.stop(), 0)
})

t.test('nginx knows the gateways of the project by their names', async t => {
  const servers = [...text('deploy/nginx.conf').matchAll(/^ *server (gateway-\d+):8080 /gm)].map(
    ([, name]) => name,
  )

  t.same(
    servers,
    gateways.map(([name]) => name),
  )
})

t.test('the project is reached from this machine alone, by nginx alone', async t => {
  const ports = Object.entries(project.services).flatMap(([name, { ports = [] }]) =>
    ports.map(port => [name, port]),
  )

  t.same(ports, [['nginx', '127.0.0.1:8080:8080']])
})

t.test('every service restarts by itself and has time to stop', async t => {
  const [, deadline = ''] = /STOP_DEADLINE_MS = (\d+)_000/.exec(text('server/serve.ts')) ?? []

  for (const [name, { restart, stop_grace_period }] of Object.entries(project.services)) {
    t.equal(restart, 'unless-stopped', name)
    const own = name.startsWith('gateway-') ? DELAY_SECONDS + Number(deadline) + 5 : 30
    t.ok(Number.parseInt(stop_grace_period ?? '', 10) >= own, `${name} has ${own} s`)
  }
})

t.test('the image copies what exists, ignores nothing of it, and starts the program', async t => {
  const allowed = new Set(text('.dockerignore').match(/(?<=^!).+/gm))
  const copied = [...image.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) =>
    sources.split(' '),
  )

  for (const source of copied) {
    t.ok(existsSync(join(packageRoot, source)), `${source} exists`)
    t.ok(allowed.has(source), `${source} is let through`)
  }
  t.same([...allowed].sort(), [...new Set(copied)].sort(), 'and nothing else is')
  t.match(image, 'CMD ["node", "dist/server/main.js"]')
  t.ok(existsSync(join(packageRoot, 'server/main.ts')))
  t.match(image, /^USER node$/m)
})

// A compiled room that the image leaves behind would be missed only when the container starts.
t.test('whatever the program imports is in the image', async t => {
  const rooms = [...image.matchAll(/^COPY --from=build \/sluice\/dist\/(\S+) /gm)].map(([, room]) => room)
  const seen = new Set<string>()
  const follow = (file: string) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, target = ''] of text(file).matchAll(/(?:from|import\()\s*'(\.[^']+)\.js'/g)) {
      follow(join(file, '..', `${target}.ts`))
    }
  }

  follow('server/main.ts')

  // The program reads the files of the console; it imports none of them.
  t.same([...new Set([...seen].map(file => file.split('/')[0])), 'console'].sort(), rooms.sort())
})

/** `${NAME:-default}` as compose would fill it in; a variable that must be set gets a good value. */
function resolved(value: string): string {
  return value
    .replace(/\$\{\w+:-([^}]*)\}/g, '$1')
    .replace(/\$\{\w+:\?[^}]*\}/g, 'aSecretOfMoreThan32CharactersSurelyItIs')
}

function parts(network: string): [address: string, bits: number] {
  const [address = '', bits] = network.split('/')
  return [address, Number(bits)]
}
