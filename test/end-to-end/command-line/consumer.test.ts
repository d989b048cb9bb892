/** `sluice consumer` against a gateway: what it manages, what it writes, and what it acknowledges. */
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { gatewayEnvironment } from '../../harness/command-line.js'
import { publish, startGateway } from '../../harness/gateway.js'
import { startProgram } from '../../harness/process.js'
import { until } from '../../harness/until.js'

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({ type: 'n.made', data: { n: from + at } }))

t.test(
  'consumer: what follow has written is acknowledged, and one of two programs gets the events',
  async t => {
    const gateway = await startGateway(t)
    const env = gatewayEnvironment(gateway.url)
    const consumer = (...args: string[]) => runCommand(['consumer', ...args], env)
    const numbers = (output: string) => [...output.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n))
    await publish(gateway, numbered(1, 5))

    const put = await consumer(
      'put',
      'billing',
      '--types',
      'n.*',
      '--start',
      'beginning',
      '--description',
      'Bills',
      '--json',
    )
    const first = await consumer('follow', 'billing', '--count', '3')
    const shown = await consumer('show', 'billing')
    const listed = await consumer('list')
    const rest = await consumer('follow', 'billing', '--count', '2', '--json')

    t.match(JSON.parse(put.out), {
      name: 'billing',
      stream: 'feed',
      types: 'n.*',
      lag: { events: 5 },
      holder: null,
    })
    t.strictSame([numbers(first.out), first.code, first.told], [[1, 2, 3], 0, ''])
    t.match(shown.out, /^lag +2 events, \d+ s$/m)
    t.match(listed.out, /^NAME +STREAM +BEHIND +SECONDS +IN FLIGHT +HELD BY +CURSOR\nbilling +feed +2 /)
    t.strictSame([numbers(rest.out), rest.code], [[4, 5], 0])

    // Two at the same time: the second waits, and a third takes the consumer over.
    const holder = startProgram(t, { args: ['consumer', 'follow', 'billing', '--json'], env })
    await publish(gateway, numbered(6, 1))
    await until('the first gets an event', () => numbers(holder.output()).includes(6))
    const waiting = startProgram(t, { args: ['consumer', 'follow', 'billing', '--json'], env })
    await until('the second waits', () => /Another client holds the consumer billing/.test(waiting.output()))
    const taking = startProgram(t, { args: ['consumer', 'follow', 'billing', '--json', '--takeover'], env })
    const taken = await holder.ended()
    await publish(gateway, numbered(7, 1))
    await until('the third gets the next event', () => numbers(taking.output()).includes(7))
    taking.signal('SIGTERM')
    const stopped = await taking.ended()
    await publish(gateway, numbered(8, 1))
    await until('the second goes on', () => numbers(waiting.output()).includes(8))
    waiting.signal('SIGTERM')
    await waiting.ended()

    t.equal(taken, 3)
    t.match(
      holder.output(),
      /Another client has the consumer billing now \(taken-over\)\. Wait with --standby/,
    )
    t.equal(stopped, 143)
    t.strictSame(numbers(waiting.output()), [8])

    // From here on by hand.
    const sought = await consumer('seek', 'billing', 'beginning', '--json')
    const again = await consumer('follow', 'billing', '--exit-on', 'n.made', '--json')
    const [{ id }] = [JSON.parse(again.out)]
    const acknowledged = await consumer('ack', 'billing', id, '--json')
    const missing = await consumer('follow', 'nothing')
    const deleted = await consumer('delete', 'billing')

    t.match(JSON.parse(sought.out), { lag: { events: 8 } })
    t.match(JSON.parse(acknowledged.out), { cursor: id, lag: { events: 7 } })
    t.match(missing, { code: 3, told: /404 not-found/ })
    t.match(deleted, { code: 0, told: 'The consumer billing is deleted.\n' })
    t.match(await consumer('show', 'billing'), { code: 3 })
  },
)
