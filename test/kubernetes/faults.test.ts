/** What goes wrong between a runner and its pods, on the network, at the API server and at the node: nothing is lost or repeated. */
import t from 'tap'
import { startApiProxy } from '../harness/kubernetes/api-proxy.js'
import { startCluster } from '../harness/kubernetes/cluster.js'
import { connectPods, TIMES } from '../harness/kubernetes/pods.js'
import { patient } from '../harness/patience.js'
import { randomFrom } from '../harness/random.js'
import { until } from '../harness/until.js'

const PATIENCE_MS = 60_000
/** A safety net: each wait has a deadline of its own, and that of a command is its end. */
const TEST_MS = patient(300_000)
const cluster = await startCluster(t)
const { kubelet, plane, pods } = cluster
const proxy = await startApiProxy(t, plane)
const { run, lines } = await connectPods(t, cluster, {
  server: proxy.url,
  times: { ...TIMES, silenceMs: 3_000 },
})
t.afterEach(() => {
  proxy.fault = () => undefined
  kubelet.cutAfter = () => Number.POSITIVE_INFINITY
})

/** Lines in bursts, with pauses; one long line without an end for a while; all of it known. */
const BURSTS = `i=0; while [ $i -lt 40 ]; do i=$((i+1)); seq $((i*1000)) $((i*1000+199)); sleep 0.03; done
head -c 100000 /dev/zero | tr '\\0' x; sleep 0.1; echo; echo end`
const EXPECTED = [
  ...Array.from({ length: 40 }, (_, burst) =>
    Array.from({ length: 200 }, (_, line) => `${(burst + 1) * 1_000 + line}\n`).join(''),
  ),
  `${'x'.repeat(100_000)}\nend\n`,
].join('')

t.test(
  'output arrives whole and once, however often its connections break',
  { timeout: TEST_MS },
  async t => {
    const random = randomFrom(3)
    // A read begins up to a second before its place, so that some must be longer.
    kubelet.cutAfter = () => random.pick([500, 20_000, 100_000, 1_000_000]) + random.integer(10_000)
    const before = kubelet.logAnswers
    // By what has arrived, not by time: on a slow machine nothing would arrive between two cuts.
    let chunks = 0
    const room = () => {
      chunks += 1
      if (chunks % 10 === 0) proxy.cut()
      return undefined
    }
    const command = run(BURSTS, { room })

    const outcome = await command.outcome

    t.match(outcome, { exitCode: 0 })
    t.equal(command.output(), EXPECTED)
    t.equal(command.notes(), '')
    t.ok(kubelet.logAnswers - before > 3, `${kubelet.logAnswers - before} answers`)
  },
)

t.test('output waits for its reader, and what waits is not in the runner', async t => {
  let open = () => {}
  const gate = new Promise<void>(resolve => {
    open = resolve
  })
  const command = run('seq 1 100000; echo end', { room: () => gate })
  await until('the first output', () => command.output() !== '')
  const name = await command.started()
  await until('the command has ended', () => kubelet.containers.get(name)?.log.hasEnded === true, PATIENCE_MS)
  const held = command.output().length
  open()

  t.match(await command.outcome, { exitCode: 0 })
  t.ok(held < 200_000, `${held} bytes`)
  const output = command.output().split('\n')
  t.same([output.length, output.at(-3), output.at(-2)], [100_002, '100000', 'end'])
})

t.test('connections whose other end is gone are made again', async t => {
  const command = run('echo one; sleep 1; echo two; exit 4')
  await until('the first line', () => command.output() === 'one\n')
  proxy.freeze()

  t.match(await command.outcome, { exitCode: 4 })
  t.equal(command.output(), 'one\ntwo\n')
})

t.test('an API server that is killed and comes back misses nothing', { timeout: TEST_MS }, async t => {
  const command = run('i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; sleep 0.01; done; exit 5')
  await until('some lines', () => command.output().length > 30)
  await plane.stop()
  const waiting = run('echo later')
  await until('it is reported', () => lines.some(line => line.includes('does not answer')))
  await plane.start()

  t.match(await command.outcome, { exitCode: 5 })
  t.equal(command.output(), Array.from({ length: 400 }, (_, index) => `${index + 1}\n`).join(''))
  t.match(await waiting.outcome, { exitCode: 0 })
  t.equal(waiting.output(), 'later\n')
})

t.test('requests that are refused for now, or whose answer is lost, are repeated and done once', async t => {
  const faults = [
    { status: 429, retryAfter: 1 },
    { status: 409, reason: 'Conflict' },
    { status: 500 },
    { cut: 'before' },
    { cut: 'after' },
  ] as const
  let [podFaults, secretFaults] = [0, 0]
  proxy.fault = request => {
    if (/^POST .*\/pods\?/.test(request)) return faults[podFaults++]
    if (/^POST .*\/secrets\?/.test(request)) return faults[2 + secretFaults++]
    return undefined
  }
  const before = kubelet.containers.size
  const begun = performance.now()

  const command = run('echo once')

  t.match(await command.outcome, { exitCode: 0 })
  t.equal(command.output(), 'once\n')
  t.equal(kubelet.containers.size - before, 1)
  t.ok(performance.now() - begun >= 1_000, 'it has waited as long as it was asked to')
  t.ok(podFaults > 5 && secretFaults > 3)
})

t.test('a watch that ends, is too old or is refused costs nothing but time', async t => {
  const gone = '{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
  const faults = [
    { text: gone },
    { text: '' },
    { status: 410 },
    { status: 429 },
    { text: '{"type":"MOD' },
    { text: '<html>\nThe page of a proxy.\n' },
  ] as const
  let watches = 0
  proxy.fault = request => (/[?&]watch=true/.test(request) ? faults[watches++ % 7] : undefined)

  const commands = ['exit 1', 'sleep 0.5; exit 2', 'sleep 2; exit 3'].map(each => run(each))

  t.match(await Promise.all(commands.map(({ outcome }) => outcome)), [
    { exitCode: 1 },
    { exitCode: 2 },
    { exitCode: 3 },
  ])
  t.ok(watches > 7, `${watches}`)
})

t.test(
  'a command whose pod the API server refuses to show is given up, with its pod and its log',
  async t => {
    const command = run('echo begun; sleep 1000')
    const name = await command.started()
    await until('its output', () => command.output() === 'begun\n')

    proxy.fault = request =>
      request.startsWith('GET') && request.includes(name) ? { status: 400 } : undefined
    proxy.cut()

    t.match(await command.outcome, 'Kubernetes refuses (400): a fault of the test.')
    t.match(
      proxy.requests.filter(request => request.includes(name)).at(-1),
      /^DELETE/,
      'nothing reads its log any more',
    )
    await until('its pod is gone', async () => (await pods()).length === 0)
  },
)

t.test('what a node has thrown away is reported, not passed over', async t => {
  const command = run('echo one; sleep 1; echo two; sleep 1; echo three; sleep 0.2')
  const name = await command.started()
  await until('the first line', () => command.output() === 'one\n')
  proxy.fault = request => (request.includes('/log?') ? { status: 503 } : undefined)
  proxy.cut()
  const log = kubelet.containers.get(name)?.log
  await until('the second line', () => log?.length === 2)
  log?.rotate()
  await until('the third line', () => log?.length === 3)
  proxy.fault = () => undefined

  t.match(await command.outcome, { exitCode: 0 })
  t.equal(command.output(), 'one\nthree\n')
  t.match(command.notes(), /^sluice: Lines may be missing here/)
})

t.test('nothing is left', async t => {
  await until('no pod', async () => (await pods()).length === 0)
  t.pass()
})
