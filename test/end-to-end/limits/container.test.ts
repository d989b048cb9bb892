/**
 * A gateway in a real control group, as in a container. To make one takes rights that not every machine gives: where there are none,
 * there is no test here (and no skip).
 */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish } from '../../harness/gateway.js'
import { makeMemoryCgroup } from '../../harness/memory-cgroup.js'
import { startProcess } from '../../harness/process.js'
import { connectRaw } from '../../harness/raw-client.js'
import { succeeds, until } from '../../harness/until.js'

const MEBIBYTE = 1024 * 1024
const LIMIT_BYTES = 224 * MEBIBYTE
/** As many as would take more than the limit. */
const CALLERS = 24

const cgroup = makeMemoryCgroup(t, LIMIT_BYTES)
if (cgroup === undefined) t.pass('no control group of memory can be made here: not tested')
else {
  const { through, kills } = cgroup
  t.test('a gateway in a container survives more bodies than fit into its memory', async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl, through })
    const follower = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
    await follower.until(1)
    const before = await percentOf(gateway.url)
    const data = `{"a":[${'{},'.repeat(80_000)}{}]}`
    const body = `[${Array(4).fill(`{"type":"thing.made","data":${data}}`).join(',')}]`
    const { authorization } = as('editor')
    const head = `Authorization: ${authorization}\nContent-Type: application/json\nContent-Length: ${body.length}\n\n`

    const callers = await Promise.all(
      Array.from({ length: CALLERS }, () =>
        connectRaw(t, gateway.port, `POST /api/events HTTP/1.1\nHost: x\n${head}`),
      ),
    )
    for (const { socket } of callers) socket.write(body)
    await until('all answers', () => kills() > 0 || callers.every(({ text }) => text() !== ''))
    t.equal(kills(), 0, 'the kernel has not killed it')

    const statuses = callers.map(({ text }) => text().slice(9, 12))
    const stored = statuses.filter(status => status === '201').length
    t.comment(`${before} % at the start, ${stored} of ${CALLERS} stored`)
    // 408: on a busy machine a body may arrive too late.
    t.strictSame(
      statuses.filter(status => !['201', '408', '503'].includes(status)),
      [],
    )
    t.ok(statuses.includes('201') && statuses.includes('503'), statuses.join(' '))
    t.ok(before > 20 && before < 70, 'of the limit of the container, not of the memory of the machine')
    await follower.until(4 * stored, 'thing.made')
    for (const { socket } of callers) socket.destroy()
    await until('room again', () => succeeds(publish(gateway, { type: 'thing.made', data: {} })))
    t.equal(await gateway.stop(), 0)
  })
}

async function percentOf(url: string): Promise<number> {
  return Object(await (await fetch(`${url}/ready`)).json()).memory.percent
}
