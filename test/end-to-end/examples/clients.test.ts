import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { as } from '../../harness/gateway.js'
import { type GatewayProcess, startProcess } from '../../harness/process.js'
import { startRunner, temporaryDir } from '../../harness/runner-program.js'
import { temporaryFolder } from '../../harness/server.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import {
  buildGo,
  type Client,
  type Following,
  installPython,
  nodeClient,
  startClient,
  withoutGo,
  withoutPython,
} from './client.js'
import { broken, output, startStandInStream, status, stream } from './stand-in-stream.js'

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'

/** Those that could be made ready here: the first two tests do it, once for all others. */
const clients: Client[] = [nodeClient]
const folder = await temporaryFolder()
t.teardown(() => rm(folder, { recursive: true, force: true }))

t.test('the Python clients need exactly the packages that they name', { skip: withoutPython() }, async () => {
  clients.push(...(await installPython(folder)))
})

t.test('the Go client is vetted, formatted, and needs nothing', { skip: withoutGo() }, async () => {
  clients.push(await buildGo(folder))
})

t.test('a client prints the output of its command, and exits as the command does', async t => {
  const { url } = await startSite(t)
  await startSiteRunner(t, url)
  const [echo, long] = ['zwölf \u2028 <b>', 'x'.repeat(40_000)]

  await each(async client => {
    const good = startClient(t, client, url, [`echo '${echo}'; head -c 40000 /dev/zero | tr '\\0' x`])
    const bad = startClient(t, client, url, ['echo', 'no', '>&2;', 'exit', '3'])

    t.equal(await good.ended(), 0, client.name)
    t.strictSame([good.lines('stdout'), good.lines('stderr')], [[echo, long], []], client.name)
    t.equal(await bad.ended(), 3, client.name)
    t.strictSame([bad.lines('stdout'), bad.lines('stderr')], [[], ['no']], client.name)
  })
})

t.test('a command waits for a runner, and its client with it', async t => {
  const { url } = await startSite(t)

  const followings = await each(async client => startClient(t, client, url, ['exit 3']))
  await Promise.all(followings.map(({ says }) => says(/waits for a runner/)))
  await startSiteRunner(t, url)

  for (const { ended } of followings) t.equal(await ended(), 3)
})

t.test('a client exits with 143 when its command is cancelled, and says so', async t => {
  const { url } = await startSite(t)
  await startSiteRunner(t, url)

  await each(async client => {
    const following = startClient(t, client, url, ['echo started; exec sleep 1000'])
    await until('it runs', () => following.lines('stdout').includes('started'))
    const id = await following.says(/started ([0-9a-f-]{36})/)
    const { status } = await fetch(`${url}/api/jobs/${id}/cancel`, { method: 'POST', headers: as('editor') })

    t.equal(status, 200)
    t.equal(await following.ended(), 143, client.name)
    await following.says(/ended: cancelled/)

    const late = startClient(t, client, url, ['--id', id])
    t.equal(await late.ended(), 143, `${client.name}, afterwards`)
    t.strictSame(late.lines('stdout'), ['started'])
  })
})

t.test(
  '2,000 lines come in order, each once, though gateways are killed and stopped in the middle',
  async t => {
    const site = await startSite(t)
    const dir = await temporaryDir(t)
    await startSiteRunner(t, site.url, dir)
    const wait = (name: string) => `until [ -e ${name} ]; do sleep 0.05; done`
    const command = `seq 700; ${wait('one')}; seq 701 1400; ${wait('two')}; seq 1401 2000; exit 3`
    const goOn = (name: string) => writeFile(join(dir, name), '')

    const followings = await each(async client => startClient(t, client, site.url, [command]))
    await untilLines(followings, 700)
    await site.gateway.kill()
    await goOn('one')
    await site.restart()
    await untilLines(followings, 1_400)
    await site.gateway.stop()
    await goOn('two')
    await site.restart()

    for (const { ended, lines } of followings) {
      t.equal(await ended(), 3)
      t.strictSame(lines('stdout'), numbers(2_000))
    }
  },
)

t.test('a client that connects after the end gets all lines', async t => {
  const { url } = await startSite(t)
  await startSiteRunner(t, url)
  const first = startClient(t, nodeClient, url, ['seq 2000; echo late >&2; exit 7'])
  t.equal(await first.ended(), 7)
  const id = await first.says(/started ([0-9a-f-]{36})/)

  await each(async client => {
    const late = startClient(t, client, url, ['--id', id], { SLUICE_TOKEN: token() })

    t.equal(await late.ended(), 7, client.name)
    t.strictSame([late.lines('stdout'), late.lines('stderr')], [numbers(2_000), ['late']], client.name)
  })
})

t.test('a refused client prints the reason and does not retry', async t => {
  const { url } = await startSite(t)

  await each(async client => {
    const refused = async (args: readonly string[], env: Record<string, string>, pattern: RegExp) => {
      const following = startClient(t, client, url, args, env)
      const code = await following.ended()
      await following.says(pattern)
      return code
    }

    t.equal(await refused(['true'], { SLUICE_TOKEN: '' }, /Usage/), 2, client.name)
    t.equal(await refused(['--id'], {}, /Usage/), 2, client.name)
    t.equal(await refused([], {}, /Usage/), 2, client.name)
    t.equal(await refused(['true'], { SLUICE_TOKEN: token() }, /\(403 role-too-low\)/), 126, client.name)
    t.equal(await refused(['--id', UNKNOWN_ID], {}, /\(404 not-found\)/), 126, client.name)
    t.equal(await refused(['true'], { SLUICE_URL: 'http://127.0.0.1:1' }, /follow: ./), 126, client.name)
  })
})

t.test('each line is printed once, whatever connection breaks', async t => {
  const connected = 'retry: 1\n\nevent: connected\ndata: {"status":"running"}\n\n'
  const cut = (position: number) => `id: ${position}.aaaaaa\nevent: output\ndata: {"line":"cu`
  const umlaut = Buffer.from(output(3, 'drei ü'))
  const middle = umlaut.indexOf(0xbc)
  const script = [
    broken(connected, output(1, 'one'), cut(2)),
    status(503),
    status(429, { 'retry-after': '1' }),
    // The soft refusal: after it a client comes back.
    stream('retry: 1\n: Too many clients follow. Come back in a moment.\n\n'),
    broken(),
    stream(
      ': ping\n\nevent: heartbeat\ndata: {}\n\n',
      'id: 2.aaaaaa\nevent: output\ndata: {"line":"two",\ndata: "stream":"stdout"}\n\n',
      umlaut.subarray(0, middle),
      umlaut.subarray(middle),
    ),
    // A proxy may end what it could not finish, as if it were whole.
    stream(cut(4)),
    stream(
      output(4, 'four'),
      'id: 5.aaaaaa\nevent: error\ndata: {"message":"The command was never started."}\n\n',
    ),
  ]

  await each(async client => {
    const { url, resumedAfter } = await startStandInStream(t, script)
    const following = startClient(t, client, url, ['--id', UNKNOWN_ID])

    t.equal(await following.ended(), 125, client.name)
    t.strictSame(following.lines('stdout'), ['one', 'two', 'drei ü', 'four'], client.name)
    await following.says(/The command was never started/)
    const ids = [undefined, '1', '1', '1', '1', '1', '3', '3']
    t.strictSame(
      resumedAfter,
      ids.map(id => id && `${id}.aaaaaa`),
      client.name,
    )
  })
})

t.test('a client reconnects after the retry time that it gets', async t => {
  const lines = numbers(40)
  const script = lines.map((line, n) => stream('retry: 1\n\n', output(n + 1, line)))
  const complete = 'id: 41.aaaaaa\nevent: complete\ndata: {"exit_code":3,"duration_ms":1}\n\n'

  await each(async client => {
    const { url, resumedAfter } = await startStandInStream(t, [...script, stream(complete)])
    const following = startClient(t, client, url, ['--id', UNKNOWN_ID])

    // Left to itself it would wait seconds each time, and not be there within our patience.
    t.equal(await following.ended(), 3, client.name)
    t.strictSame(following.lines('stdout'), lines, client.name)
    t.equal(resumedAfter.length, 41, client.name)
  })
})

interface Site {
  readonly url: string
  readonly gateway: GatewayProcess
  /** In the place of the one that has ended. */
  restart(): Promise<void>
}

async function startSite(t: Test): Promise<Site> {
  const { url: databaseUrl } = await createDatabase(t)
  let gateway = await startProcess(t, { databaseUrl })
  const { url, port } = gateway
  t.teardown(() => gateway.kill())
  return {
    url,
    get gateway() {
      return gateway
    },
    async restart() {
      gateway = await startProcess(t, { databaseUrl, port })
    },
  }
}

/** One that executes the commands of all clients at the same time. */
async function startSiteRunner(t: Test, url: string, dir?: string): Promise<void> {
  await startRunner(t, url, {
    token: token({ role: 'runner' }),
    args: ['--concurrency', `${2 * clients.length}`],
    ...(dir !== undefined && { dir }),
  })
}

function each<T>(act: (client: Client) => Promise<T>): Promise<T[]> {
  return Promise.all(clients.map(act))
}

async function untilLines(followings: readonly Following[], count: number): Promise<void> {
  const all = () => followings.every(({ lines }) => lines('stdout').length >= count)
  await until(`${count} lines at each client`, all, 30_000)
}

function numbers(last: number): string[] {
  return Array.from({ length: last }, (_, n) => `${n + 1}`)
}
