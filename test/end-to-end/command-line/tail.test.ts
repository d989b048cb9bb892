import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { gatewayEnvironment, ownFolder } from '../../harness/command-line.js'
import { createDatabase } from '../../harness/database.js'
import { publish, startGateway } from '../../harness/gateway.js'
import { freePort } from '../../harness/port.js'
import { startProcess, startProgram } from '../../harness/process.js'
import { until } from '../../harness/until.js'

const MAIN = fileURLToPath(new URL('../../../server/main.js', import.meta.url))

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({ type: 'n.made', data: { n: from + at } }))

t.test(
  'tails that are ended and started again, while gateways are killed, write each event once',
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const folder = await ownFolder(t)
    const file = join(folder, 'lines.ndjson')
    const output = openSync(file, 'a')
    t.teardown(() => closeSync(output))
    const lines = () => readFileSync(file, 'utf8').split('\n').slice(0, -1)
    let gateway = await startProcess(t, { databaseUrl })
    const { url, port } = gateway
    const args = ['tail', '--json', '--from', 'beginning', '--cursor-file', join(folder, 'cursor')]
    const start = () => startProgram(t, { args, env: gatewayEnvironment(url), stdout: output })
    const codes: (number | null)[] = []
    const outages: number[] = []
    let made = 0
    const make = async (count: number) => {
      await publish({ url }, numbered(made + 1, count))
      made += count
    }

    for (const isKilled of [false, true, false, true]) {
      await make(200)
      const before = lines().length
      const tail = start()
      await until('it has written a line', () => lines().length > before)
      if (isKilled) {
        await gateway.kill()
        await until('it reports the outage', () => /interrupted \(ECONNREFUSED\)/.test(tail.output()))
        gateway = await startProcess(t, { databaseUrl, port })
        await make(100)
        await until('it goes on', () => lines().length >= made)
        outages.push(tail.output().trim().split('\n').length)
      }
      const publishing = isKilled ? undefined : make(100)
      tail.signal('SIGTERM')
      codes.push(await tail.ended())
      // The next events have the numbers after these.
      await publishing
    }
    const last = start()
    await make(1)
    await until('it has written all', () => lines().length >= made)
    last.signal('SIGINT')

    t.equal(await last.ended(), 130)
    t.strictSame(codes, [143, 143, 143, 143])
    t.strictSame(outages, [1, 1], 'each outage is reported once')
    t.equal(last.output(), '')
    t.strictSame(
      lines().map(line => JSON.parse(line).data.n),
      Array.from({ length: made }, (_, at) => at + 1),
    )
  },
)

t.test('a line has time, id, type and data, plain in a pipe; its starts and ends are exact', async t => {
  const { url } = await startGateway(t)
  const env = gatewayEnvironment(url)
  const ids = await publish({ url }, [
    { type: 'door.opened', data: { n: 1 } },
    { type: 'lamp.lit', data: { n: 2, text: '\u001b[31mred\u202e' } },
    { type: 'door.opened', data: { n: 3 } },
  ])
  const tail = (...args: string[]) => runCommand(['tail', ...args], env)

  const plain = await tail('--last', '2', '--count', '1')
  const json = await tail('--from', 'beginning', '--types', 'lamp.*', '--count', '1', '--json')
  const recent = await tail('feed', '--since', '1h', '--where', 'data.n ge 2', '--exit-on', 'door.*')
  const after = await tail('--stream', 'feed', '--from', ids[1] ?? '', '--count', '1')

  const line = new RegExp(
    `^\\d{4}-\\d\\d-\\d\\dT\\S+Z ${ids[1]} lamp\\.lit \\{"n":2,"text":"\\\\u001b\\[31mred\\\\u202e"\\}\\n$`,
  )
  t.match(plain, { code: 0, out: line, told: '' })
  t.match(JSON.parse(json.out), { id: ids[1], position: 2, data: { text: '\u001b[31mred\u202e' } })
  t.notOk(/[\p{Cc}\u202e]/u.test(json.out.trim()))
  t.match(recent, { code: 0, out: /lamp\.lit .*\n.* door\.opened \{"n":3\}\n$/ })
  t.match(after, { code: 0, out: / \S+ door\.opened \{"n":3\}\n$/ })
})

t.test('events that the gateway no longer has are reported, with --json as a line too', async t => {
  const { url } = await startGateway(t)
  const cursor = join(await ownFolder(t), 'cursor')
  await writeFile(cursor, '9.aaaaaa\n')
  await publish({ url }, numbered(1, 3))
  const args = ['tail', '--json', '--count', '1', '--cursor-file', cursor]
  const tail = startProgram(t, { args, env: gatewayEnvironment(url) })

  await tail.until(/history-lost.*\n[\s\S]*"type":"reset"/)
  const [id] = await publish({ url }, numbered(4, 1))

  t.equal(await tail.ended(), 0)
  t.match(tail.output(), /^Events are missing \(history-lost\); tail continues after 3\.\S+\.$/m)
  t.match(tail.output(), /^\{"id":"3\.\S+","type":"reset","data":\{"reason":"history-lost",.*\}\}$/m)
  t.match(tail.output(), /"data":\{"n":4\}/)
  t.equal(readFileSync(cursor, 'utf8'), `${id}\n`)
})

t.test(
  'a tail whose reader is gone ends quietly; on a terminal it has colours, without NO_COLOR',
  async t => {
    const { url } = await startGateway(t)
    await publish({ url }, numbered(1, 500))
    const shell = async (command: string, env = {}) => {
      const child = spawn('bash', ['-c', command], {
        env: { PATH: process.env.PATH, TERM: 'xterm', ...gatewayEnvironment(url), ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let text = ''
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', read => (text += read))
      await once(child, 'close')
      return text
    }
    const tail = `'${process.execPath}' '${MAIN}' tail --from beginning`
    // Its reader ends while it writes: more than a pipe holds is still to come.
    const many = numbered(1, 1000).map(event => ({
      ...event,
      data: { ...event.data, text: 'x'.repeat(800) },
    }))
    await publish({ url }, many)

    const piped = await shell(`${tail} | head -n 1; echo "status \${PIPESTATUS[0]}"`)
    const coloured = await shell(`script -qec "${tail} --count 1" /dev/null`)
    const plain = await shell(`script -qec "${tail} --count 1" /dev/null`, { NO_COLOR: '1' })

    t.match(piped, /^\S+ 1\.\S+ n\.made \{"n":1\}\nstatus 141\n$/)
    t.match(coloured, /^.\[2m\S+.\[22m .*n\.made.*\{"n":1\}\r\n$/)
    t.match(plain, /^\d\S+ 1\.\S+ n\.made \{"n":1\}\r\n$/)
  },
)

t.test('a cursor is not stored for a line that could not be written', async t => {
  const { url } = await startGateway(t)
  const [id = ''] = await publish({ url }, numbered(1, 3))
  const env = gatewayEnvironment(url)
  const folder = await ownFolder(t)
  const tail = async (output: string, name: string) => {
    const cursor = join(folder, name)
    await writeFile(cursor, id)
    const command = `'${process.execPath}' '${MAIN}' tail --count 2 --cursor-file '${cursor}' ${output}`
    const child = spawn('bash', ['-c', command], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let told = ''
    child.stderr.setEncoding('utf8').on('data', read => (told += read))
    const [code] = await once(child, 'close')
    return { code, told, cursor: readFileSync(cursor, 'utf8') }
  }

  const full = await tail('> /dev/full', 'full')
  // The reader is gone before the first line.
  const gone = await tail('> >(exec true); exit $?', 'gone')

  t.match(full, { code: 1, told: /^The output cannot be written: .*ENOSPC.*\.\n$/, cursor: id })
  t.match(gone, { code: 141, told: '', cursor: id })
})

t.test('each refusal and each wrong option says what to do', async t => {
  const { url } = await startGateway(t)
  const env = gatewayEnvironment(url)
  const broken = join(await ownFolder(t), 'cursor')
  await writeFile(broken, 'two words\n')
  const cases: [args: string[], code: number, told: RegExp][] = [
    [['--where', 'data.n gt'], 3, /^where has a fault at character 10\..* \(400 invalid-where\)\n$/],
    [['--stream', 'rooms/1'], 3, /^There is no such stream .* \(404 not-found\)\n$/],
    [['job', 'none'], 3, /\(404 not-found\)/],
    [
      ['--from', 'yesterday'],
      3,
      /Send beginning, now, an event id .*, or a time, .*\(400 invalid-event-id\)/,
    ],
    [['--types', 'a b'], 2, /^--types must be types or prefixes .* "a b" is neither\./],
    [['--exit-on', ''], 2, /^--exit-on must be types/],
    [['--since', '2 hours'], 2, /^--since must be a duration such as 30s/],
    [['--last', '-1'], 2, /^--last must be a whole number from 0 to 10000\./],
    [['--count', '0'], 2, /^--count must be a whole number/],
    [['--last', '1', '--since', '1h'], 2, /^Give only one of --from, --since and --last\./],
    [['feed', '--stream', 'feed'], 2, /^Give the stream as STREAM or by --stream/],
    [['feed', 'x'], 2, /^Too many arguments\./],
    [['--cursor-file', broken], 2, /holds no event id\./],
    [['--cursor-file', '/nonexistent/c'], 2, /^--cursor-file: ENOENT/],
    [['--colour'], 2, /^Unknown option '--colour'\.\n/],
    [['--typse', 'a'], 2, /^Unknown option '--typse'\. Did you mean --types\?\n/],
    [['--url', 'localhost:1'], 2, /^--url must begin with http/],
  ]

  const answers = await Promise.all(cases.map(([args]) => runCommand(['tail', ...args], env)))
  const nowhere = startProgram(t, {
    args: ['tail'],
    env: { ...env, SLUICE_URL: `http://127.0.0.1:${await freePort()}` },
  })
  await nowhere.until(/^There is no connection \(ECONNREFUSED\)\. Trying again: http/m)

  t.match(
    answers,
    cases.map(([, code, told]) => ({ code, out: '', told })),
  )
})
