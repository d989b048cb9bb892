import pLimit from 'p-limit'
import t, { type Test } from 'tap'
import { Listener } from '../../../src/bus/listener.js'
import { createDatabase } from '../../harness/database.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { until } from '../../harness/until.js'

/** The listener gives up a connection that takes longer, and makes another one. */
const CONNECT_MS = 2_500
/** Each holds a connection. */
const AT_ONCE = 16

t.test('a connection that is cut after any byte that the server sends is replaced', async t => {
  const { url } = await createDatabase(t)
  const limit = pLimit(AT_ONCE)
  const handshake = await bytesUntilListening(t, url)
  t.ok(handshake > 100, `${handshake} bytes`)

  const accepted = await Promise.all(
    Array.from({ length: handshake }, (_, bytes) => limit(() => comeBackInTime(t, url, bytes))),
  )

  t.strictSame(new Set(accepted), new Set([2]))
})

async function bytesUntilListening(t: Test, url: string): Promise<number> {
  const proxy = await startProxy(t, url)
  let bytes = 0
  proxy.messages = message => {
    bytes += message.length
    return message
  }
  const listener = begin(t, proxy.url)

  await until('it listens', () => listener.listening)
  const handshake = bytes
  await listener.close()
  return handshake
}

/** @returns how many connections it took, on a machine that did not stand still meanwhile. */
async function comeBackInTime(t: Test, url: string, cutAfterBytes: number): Promise<number> {
  let accepted = 0
  await until(`it comes back in time after ${cutAfterBytes} bytes`, async () => {
    const begun = performance.now()
    accepted = await comeBack(t, url, cutAfterBytes)
    return accepted === 2 || performance.now() - begun < CONNECT_MS
  })
  return accepted
}

/** @returns how many connections it took. */
async function comeBack(t: Test, url: string, cutAfterBytes: number): Promise<number> {
  const proxy = await startProxy(t, url)
  proxy.cutAfterBytes = cutAfterBytes
  const listener = begin(t, proxy.url)

  await until('its first connection', () => proxy.accepted === 1)
  proxy.cutAfterBytes = Number.POSITIVE_INFINITY
  await until('its second one listens', () => proxy.accepted > 1 && listener.listening)
  await listener.close()
  await proxy.unplug()
  return proxy.accepted
}

function begin(t: Test, url: string): Listener {
  const listener = new Listener({ url, canary: 'canary:', onPayload() {}, onListening() {} })
  t.teardown(() => listener.close())
  listener.start()
  return listener
}
