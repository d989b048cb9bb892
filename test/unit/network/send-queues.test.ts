import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SendQueues } from '../../../src/network/send-queues.js'
import { until } from '../../harness/until.js'

const LINE = (ends: string, queue: string) =>
  `   7: ${ends} 01 ${queue}:00000000 01:00000014 00000000     0        0 7891351 1 00000000279a9a5c 20 4 30 10 -1`
const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
const ENDS = { localAddress: '127.0.0.1', localPort: 8080, remoteAddress: '10.1.2.3', remotePort: 50_000 }
const MAPPED = { ...ENDS, localAddress: '::ffff:127.0.0.1', remoteAddress: '::ffff:10.1.2.3' }
const LINK_LOCAL = { ...ENDS, localAddress: 'fe80::1%eth0', remoteAddress: 'fe80::abcd:ef01%eth0' }

for (const host of ['127.0.0.1', '::1']) {
  t.test(`the kernel holds what a client on ${host} has not read, and less when it reads`, async t => {
    const queues = new SendQueues(undefined, 1)
    const { near, far } = await connection(t, host)
    far.pause()
    near.write(Buffer.alloc(16 * 1024 * 1024))
    await until('the kernel takes no more', async () => {
      const before = near.bytesWritten - near.writableLength
      await new Promise(resolve => setImmediate(resolve))
      return near.writableLength > 0 && before === near.bytesWritten - near.writableLength
    })

    const [first, again] = await Promise.all([queues.bytesOf(near), queues.bytesOf(near)])
    const handedOver = near.bytesWritten
    far.once('readable', () => far.read())
    await until('less', async () => ((await queues.bytesOf(near)) ?? 0) < (first ?? 0))

    t.ok((first ?? 0) > 64 * 1024, `${first} bytes`)
    t.equal(again, first, 'one read answers both')
    t.equal(near.bytesWritten, handedOver, 'the socket has noticed nothing')
  })
}

t.test('each form of an address is found in its table', { skip: isBigEndian() }, async t => {
  const folder = t.testdir()
  const tables = { 4: join(folder, 'tcp'), 16: join(folder, 'tcp6') }
  await writeFile(tables[4], `${HEAD}\n${LINE('0100007F:1F90 0302010A:C350', '003B0000')}\n`)
  const mapped = '0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000302010A:C350'
  const linkLocal = '000080FE000000000000000001000000:1F90 000080FE000000000000000001EFCDAB:C350'
  await writeFile(tables[16], `${HEAD}\n${LINE(mapped, '00000010')}\n${LINE(linkLocal, '0000000F')}\n`)
  const queues = new SendQueues(tables)

  const bytes = await Promise.all([ENDS, MAPPED, LINK_LOCAL].map(ends => queues.bytesOf(ends)))

  t.strictSame(bytes, [0x3b0000, 16, 15])
})

t.test('a connection that is in no table, a table of other text, and none at all: nobody knows', async t => {
  const folder = t.testdir({
    tcp: `${HEAD}\n\n: \n  1: 0100007F:1F90 0302010A:C350 01 xyz\n${'0'.repeat(100_000)}`,
  })
  const tables = { 4: join(folder, 'tcp'), 16: join(folder, 'missing') }
  const queues = new SendQueues(tables)

  const asked = [ENDS, { ...ENDS, remotePort: 1 }, MAPPED, {}, { ...ENDS, remoteAddress: 'fe80::1' }]

  t.strictSame(
    await Promise.all(asked.map(ends => queues.bytesOf(ends))),
    asked.map(() => undefined),
  )
})

async function connection(t: Test, host: string): Promise<{ near: Socket; far: Socket }> {
  const server = createServer()
  await once(server.listen(0, host), 'listening')
  const accepted = once(server, 'connection')
  const far = connect((server.address() as AddressInfo).port, host)
  const [near] = (await accepted) as [Socket]
  t.teardown(() => {
    far.destroy()
    near.destroy()
    server.close()
  })
  return { near, far }
}

/** There the kernel writes the words of an address the other way round. */
function isBigEndian(): boolean {
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 0
}
