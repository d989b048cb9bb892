/** The package as a new user gets it: packed, installed into an empty folder, compiled against, mounted and run. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pLimit from 'p-limit'
import t from 'tap'
import { COMMANDS } from '../../server/cli/commands.js'
import type { Entry } from '../../server/cli/declaration.js'
import { packageRoot } from '../../src/process/package-root.js'
import { createDatabase } from '../harness/database.js'
import { read } from '../harness/document.js'
import { patient } from '../harness/patience.js'
import { freePort } from '../harness/port.js'
import { temporaryFolder } from '../harness/server.js'
import { SECRET } from '../harness/tokens.js'
import { until } from '../harness/until.js'

const run = promisify(execFile)
const STEP_MS = 240_000
/** With an embedded Postgres that makes its database. */
const START_MS = 60_000
/** A quarter of it are migrations, which stay. */
const MAX_UNPACKED_BYTES = 3_400_000
const PROGRAM = `
import Fastify from 'fastify'
import { serverOptions, sluice } from 'sluice'

const app = Fastify(serverOptions({ drainMs: 200 }))
app.get('/own', async () => ({ own: true }))
await app.register(sluice, { prefix: '/live', databaseUrl: process.env.DATABASE_URL, jwtSecret: process.env.JWT_SECRET })
const url = await app.listen({ host: '127.0.0.1', port: 0 })
const token = app.sluice.signToken({ id: 'ada', workspace: 'demo', role: 'editor' }, 60)
const headers = { authorization: 'Bearer ' + token, 'content-type': 'application/json' }
const own = await fetch(url + '/own')
console.log(JSON.stringify({ own: [own.status, [...own.headers.keys()]] }))
const stream = await fetch(url + '/live/api/events', { headers: { ...headers, accept: 'text/event-stream' } })
await fetch(url + '/live/api/events', { method: 'POST', headers, body: '{"type":"door.opened","data":{"door":7}}' })
let text = ''
for await (const chunk of stream.body.pipeThrough(new TextDecoderStream())) {
  text += chunk
  if (text.includes('door.opened')) app.close()
}
console.log(JSON.stringify({ stream: text }))
`

t.test(
  'the tarball works in an empty folder, as a new user would try it',
  { timeout: patient(600_000) },
  async t => {
    const folder = await temporaryFolder()
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
    const user = join(folder, 'user')
    await mkdir(user)
    const step = (command: string, args: readonly string[], env = {}) =>
      run(command, args, {
        cwd: user,
        timeout: patient(STEP_MS),
        env: { ...process.env, ...env },
        maxBuffer: 64 * 1024 * 1024,
      })

    const packed = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: packageRoot,
      maxBuffer: 64 * 1024 * 1024,
    })
    const [tarball] = JSON.parse(packed.stdout) as {
      filename: string
      unpackedSize: number
      files: { path: string }[]
    }[]
    t.ok((tarball?.unpackedSize ?? 0) <= MAX_UNPACKED_BYTES, `${tarball?.unpackedSize} bytes`)
    const foreign = tarball?.files.filter(({ path }) => /(^|\/)(test|bench|scripts)\/|\.test\./.test(path))
    t.strictSame(foreign, [])
    const packedFiles = new Set(tarball?.files.map(({ path }) => path))
    const reached = await declarationsOfExports()
    t.ok(reached.length > 80, `${reached.length} declarations`)
    t.strictSame(
      reached.filter(path => !packedFiles.has(path)),
      [],
      'package.json leaves out no declaration that its exports need',
    )

    const manifest = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
      devDependencies: Record<string, string>
    }
    const version = (name: string) =>
      `${name}@${manifest.dependencies[name] ?? manifest.devDependencies[name]}`
    await writeFile(join(user, 'package.json'), '{"name":"user","private":true,"type":"module"}')
    await step('npm', [
      ...['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, tarball?.filename ?? '')],
      ...['fastify', 'pg', '@types/pg', '@types/node', 'typescript'].map(version),
    ])

    const examples = ['README.md', 'docs/embedding.md'].flatMap(path =>
      [...read(path).matchAll(/^```ts library\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code),
    )
    t.ok(examples.length >= 9)
    for (const [at, code] of examples.entries())
      await writeFile(join(user, `example-${at}.ts`), `${code}\nexport {}\n`)
    const compiled = await step(join(user, 'node_modules/.bin/tsc'), [
      ...['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'],
      ...examples.map((_, at) => `example-${at}.ts`),
    ]).catch((error: { stdout: string }) => error)
    t.equal(compiled.stdout, '')

    const database = await createDatabase(t)
    await writeFile(join(user, 'host.js'), PROGRAM)
    const mounted = await step(process.execPath, ['host.js'], {
      DATABASE_URL: database.url,
      JWT_SECRET: SECRET,
    })
    const [own, streamed] = mounted.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    t.strictSame(own.own[0], 200)
    t.notOk(
      own.own[1].some((name: string) => /sluice|x-request-id|content-security/.test(name)),
      String(own.own[1]),
    )
    t.match(streamed.stream, /event: door.opened\ndata: \{"door":7\}/)
    t.match(streamed.stream, /"mode":"draining"/, 'it got the notice that the gateway drains')

    const program = join(user, 'node_modules/.bin/sluice')
    const lines = await commandLines(COMMANDS)
    t.ok(lines.length > 30, `${lines.length} commands`)
    const oneByOne = pLimit(2)
    const faults = await oneByOne.map(lines, async line => {
      const { stdout, stderr } = await step(program, [...line, '--help']).catch(error => error)
      return stdout.startsWith(`Usage: sluice ${line.join(' ')} `) ? [] : [[line.join(' '), stderr]]
    })
    t.strictSame(faults.flat(), [])
    t.match((await step('npx', ['sluice', '--help'])).stdout, /^Usage: sluice COMMAND/)

    const start = async (args: readonly string[], env: Record<string, string>) => {
      // In a group of its own, so that npx and its child get signals together, as from a terminal.
      const child = spawn(args[0] ?? '', args.slice(1), {
        cwd: user,
        env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
        detached: true,
      })
      let output = ''
      child.stdout.on('data', chunk => (output += chunk))
      child.stderr.on('data', chunk => (output += chunk))
      const ended = once(child, 'exit')
      t.teardown(async () => {
        if (child.exitCode === null && child.signalCode === null) process.kill(-Number(child.pid), 'SIGINT')
        await ended
      })
      await until(
        'it listens',
        () => output.includes(`Sluice listens on http://127.0.0.1:${env.PORT}`),
        START_MS,
      )
      return output
    }
    const port = String(await freePort())
    const output = await start([program], { PORT: port })
    await until('it is ready', async () => (await fetch(`http://127.0.0.1:${port}/ready`)).status === 200)
    t.match(output, /embedded Postgres in data\//)
    t.ok(await readFile(join(user, 'data/jwt-secret')), 'the data is where it was started')

    const home = {
      PORT: String(await freePort()),
      DATA_DIR: 'dev-data',
      XDG_CONFIG_HOME: join(folder, 'contexts'),
    }
    await start(['npx', 'sluice', 'dev', '--empty'], home)
    const published = await step(program, ['publish', 'door.opened', '{"door":7}'], home)
    const tailed = await step(program, ['tail', '--last', '1', '--count', '1', '--json'], home)
    const examined = await step(program, ['doctor', '--quick', '--json'], home)
    t.match(published.stdout, /^1\.\w{6}\n$/)
    t.match(JSON.parse(tailed.stdout), { type: 'door.opened', data: { door: 7 } })
    const { findings } = JSON.parse(examined.stdout) as { findings: { verdict: string }[] }
    t.ok(findings.length > 10)
    t.strictSame(
      findings.filter(({ verdict }) => verdict === 'fault'),
      [],
    )
  },
)

/** The declarations of all exports, and all that they import from files of ours. */
async function declarationsOfExports(): Promise<string[]> {
  const { exports } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as {
    exports: Record<string, { readonly types?: string }>
  }
  const reached = new Set(Object.values(exports).flatMap(({ types }) => (types ? [join(types)] : [])))
  for (const path of reached) {
    const text = await readFile(join(packageRoot, path), 'utf8')
    for (const [, imported = ''] of text.matchAll(/(?:from|import) ?\(?['"](\.[^'"]+)\.js['"]/g)) {
      reached.add(join(dirname(path), `${imported}.d.ts`))
    }
  }
  return [...reached]
}

/** The words of every command, and of every noun that holds commands. */
async function commandLines(entries: readonly Entry[]): Promise<string[][]> {
  const lines = entries.map(async ({ name, load }) => {
    const declaration = await load()
    const below = 'commands' in declaration ? await commandLines(declaration.commands) : []
    return [[name], ...below.map(line => [name, ...line])]
  })
  return (await Promise.all(lines)).flat()
}
