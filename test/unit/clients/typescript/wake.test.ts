/** clients/typescript wakes: when the page is online or visible again, and when the machine has slept. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import { EventStream } from '../../../../clients/typescript/src/client.js'
import { onWake } from '../../../../clients/typescript/src/wake.js'
import { until } from '../../../harness/until.js'

t.test('a stream that waits connects at once when the page is online or visible again', async t => {
  const page = new EventTarget()
  const document = Object.assign(new EventTarget(), { visibilityState: 'hidden' })
  t.teardown(() => Reflect.deleteProperty(globalThis, 'document'))
  t.teardown(() => Reflect.deleteProperty(globalThis, 'addEventListener'))
  Object.assign(globalThis, { document, addEventListener: page.addEventListener.bind(page) })
  let requests = 0
  const server = createServer((_, response) => {
    requests += 1
    response.writeHead(503, requests === 3 ? { 'retry-after': '60' } : {}).end()
  })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const stream = new EventStream(`http://127.0.0.1:${port}`, { retry: 60_000, max: 60_000 })
  const following = stream.blocks().next()
  const waits = async (count: number) =>
    await until(
      `it waits after ${count} requests`,
      () => requests === count && stream.state.name === 'waiting',
    )

  await waits(1)
  page.dispatchEvent(new Event('online'))
  await waits(2)
  document.dispatchEvent(new Event('visibilitychange'))
  t.equal(stream.state.name, 'waiting', 'a page that is hidden stays asleep')
  document.visibilityState = 'visible'
  document.dispatchEvent(new Event('visibilitychange'))
  await waits(3)
  page.dispatchEvent(new Event('online'))
  await new Promise(setImmediate)
  t.equal(stream.state.name, 'waiting', 'the server has asked for this delay')
  stream.close()
  await following
  t.equal(requests, 3)
})

t.test('a timer that is much too late is a sleep', async t => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  t.teardown(() => mock.timers.reset())
  let wakes = 0
  const stop = onWake(() => {
    wakes += 1
  })

  for (let ticks = 0; ticks < 12; ticks++) mock.timers.tick(5_000)
  t.equal(wakes, 0)
  mock.timers.setTime(Date.now() + 3_600_000)
  mock.timers.tick(5_000)
  t.equal(wakes, 1)
  stop()
  mock.timers.setTime(Date.now() + 3_600_000)
  mock.timers.tick(5_000)
  t.equal(wakes, 1)
})
