import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { eventsOf, gatewayEnvironment, ownFolder } from '../../harness/command-line.js'
import { createDatabase } from '../../harness/database.js'
import { startGateway } from '../../harness/gateway.js'
import { startProcess, startProgram } from '../../harness/process.js'
import { until } from '../../harness/until.js'

const lines = (count: number) =>
  Array.from({ length: count }, (_, at) => `${JSON.stringify({ type: 'n.made', data: { n: at + 1 } })}\n`)
const counted = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

t.test('an import is stored once and whole, though the gateway and the command are killed', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl })
  const all = lines(6_000)
  const file = join(await ownFolder(t), 'events.ndjson')
  await writeFile(file, all.join(''))
  const env = gatewayEnvironment(gateway.url)
  const publishing = (source: string) => ({
    args: ['publish', source, '--stream', 'numbers', '--key', 'import-1', '--batch', '20'],
    env,
  })
  /** An import that has only the first lines yet, so that it does not end before something is killed. */
  const begin = (count: number) => {
    const program = startProgram(t, { ...publishing('-'), isFed: true })
    program.channel.stdin?.on('error', () => {}).write(all.slice(0, count).join(''))
    return program
  }
  const stored = () => eventsOf(gateway.url, 'numbers')

  const first = begin(3_000)
  await until('it has stored some', async () => (await stored()).length > 200)
  first.signal('SIGKILL')
  await first.ended()
  const atKill = (await stored()).length
  const second = begin(4_500)
  await until('it has gone on', async () => (await stored()).length > atKill)
  await gateway.kill()
  second.channel.stdin?.end(all.slice(4_500).join(''))
  await second.until(/No answer yet/)
  const { port } = gateway
  await startProcess(t, { databaseUrl, port })

  t.equal(await second.ended(), 0, second.output())
  t.match(
    second.output(),
    /^No answer yet from http:\S+ \(\S+\); trying again\.[^\n]*\n6,000 events are published, of which [\d,]+ had been before: the lines to 6000, /,
  )
  const third = startProgram(t, publishing(`@${file}`))
  t.equal(await third.ended(), 0, third.output())
  t.match(third.output(), /6,000 events are published, of which 6,000 had been before/)
  const events = await stored()
  t.ok(atKill <= 3_000, `killed after ${atKill}`)
  t.strictSame(
    events.map(({ data }) => data.n),
    counted(6_000),
  )
})

t.test(
  'a line that is no event ends an import, which says what is published and goes on from there',
  async t => {
    const { url } = await startGateway(t)
    const env = gatewayEnvironment(url)
    const good = lines(10)
    const importing = (input: string, ...more: string[]) =>
      runCommand(['publish', '-', '--stream', 'numbers', '--batch', '3', ...more], env, input)
    const wrong: [line: string, told: RegExp][] = [
      ['{"type":7}', /^Line 8 has no type: a letter/m],
      ['nonsense', /^Line 8 is not JSON \(/m],
      ['[]', /^Line 8 is not a JSON object with type and data\.$/m],
      ['{"type":"a","date":{}}', /^Line 8 has the member "date"; an event has type and data\.$/m],
      ['{"type":"a","data":[]}', /^Line 8 has data that is no JSON object\.$/m],
      [`{"type":"a","data":{"x":"${'x'.repeat(1_000_000)}"}}`, /^Line 8 has more than \d+ bytes/m],
      ['{"type":"job.done"}', /^The gateway refuses line 8: Types that start with job\. are reserved/m],
      [
        `{"type":"a","data":{"x":"${'x'.repeat(270_000)}"}}`,
        /^The gateway refuses line 8: .*the limit is 262144.*\(event-too-large\)$/m,
      ],
    ]

    const answers = []
    for (const [at, [line]] of wrong.entries()) {
      const input = [...good.slice(0, 7), `${line}\n`, ...good.slice(8)].join('')
      answers.push(await importing(input, '--key', `import-${Math.min(at, 0)}`))
    }
    const resumed = await importing(good.join(''), '--key', 'import-0')
    const skipped = await importing(good.join(''), '--key', 'import-0', '--from-line', '7', '--json')
    const reused = await importing(lines(11).reverse().join(''), '--key', 'import-0')

    t.match(
      answers,
      wrong.map(([, told]) => ({ out: '', told })),
    )
    t.strictSame(
      answers.map(({ code }) => code),
      [1, 1, 1, 1, 1, 1, 3, 3],
    )
    t.match(
      answers[0]?.told,
      /^6 events are published: the lines to 6, .* repeat the command with --key import-0;/,
    )
    const marked = await runCommand(['publish', '-', '--stream', 'marked'], env, `\ufeff${good[0]}`)
    t.match(marked, { code: 0, told: /^1 event is published: the lines to 1, / })
    t.match(resumed, {
      code: 0,
      told: /^10 events are published, of which 6 had been before: the lines to 10, /,
    })
    t.match(skipped, { code: 0, told: /^4 events are published, of which 4 had been before/ })
    t.match(skipped.out, /^\{"line":7,"id":"7\.\S+","position":7,/)
    t.match(reused, { code: 3, told: /^0 events are published\. .*\n.*\(422 idempotency-key-reused\)\n$/ })
    t.strictSame(
      (await eventsOf(url, 'numbers')).map(({ data }) => data.n),
      counted(10),
    )
  },
)

t.test(
  'one event: its data from an argument, a file or standard input, and its id as the output',
  async t => {
    const { url } = await startGateway(t)
    const env = gatewayEnvironment(url)
    const folder = await ownFolder(t)
    const file = join(folder, 'data.json')
    await writeFile(file, '{"from":"file"}')
    await mkdir(join(folder, 'folder'))
    const run = (args: readonly string[], input?: string) => runCommand(['publish', ...args], env, input)

    const first = await run(['door.opened', '{"door":7}', '--key', 'k'])
    const again = await run(['door.opened', '{"door":7}', '--key', 'k', '--json'])
    const late = await run(['door.opened', '--expected-head', '0'])
    await run(['door.opened', `@${file}`])
    await run(['door.opened', '-'], '\ufeff{"from":"input"}')
    await run(['door.opened', '--expected-head', (await eventsOf(url)).at(-1)?.id ?? ''])

    t.match(first, { code: 0, out: /^1\.[a-z2-7]{6}\n$/, told: '' })
    t.match(JSON.parse(again.out), { id: first.out.trim(), position: 1 })
    t.match(late, { code: 3, told: /\(409 head-differs\) The head is 1\.[a-z2-7]{6}\.\n$/ })
    t.strictSame(
      (await eventsOf(url)).map(({ data }) => data),
      [{ door: 7 }, { from: 'file' }, { from: 'input' }, {}],
    )
    const cases: [args: string[], code: number, told: RegExp][] = [
      [[], 2, /^TYPE is missing: the type of the event/],
      [['a', '{}', '{}'], 2, /^Too many arguments/],
      [['a', '{'], 2, /^DATA is not JSON: /],
      [['a', '7'], 2, /^DATA must be a JSON object/],
      [['a', '@/nonexistent'], 2, /^DATA: ENOENT/],
      [['a', `@${join(folder, 'folder')}`], 2, /^DATA: EISDIR/],
      [['@/nonexistent'], 2, /^TYPE: ENOENT/],
      [[`@${folder}`], 2, /^TYPE: .* is a folder, not a file with lines of events\./],
      [['-', '{}'], 2, /^Too many arguments: the lines have the data/],
      [['-', '--expected-head', '0'], 2, /^--expected-head is for one event/],
      [['a', '--from-line', '2'], 2, /^--from-line is for lines/],
      [['a', '--batch', '1001'], 2, /^--batch must be a whole number from 1 to 1000/],
      [['a', '--key', 'two words'], 2, /^--key must have 1 to 240 visible/],
      [['7'], 3, /^body\/type must be a letter .*\(400 invalid-request\)/],
      [['item.x', '--stream', ''], 2, /^--stream is empty/],
    ]
    const answers = await Promise.all(cases.map(([args]) => run(args)))
    t.match(
      answers,
      cases.map(([, code, told]) => ({ code, out: '', told })),
    )
  },
)
