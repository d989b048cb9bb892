import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.js'
import { startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

/** More than Node lets wait by itself. */
const CLIENTS = 1_500

const longest = Number(await readFile('/proc/sys/net/core/somaxconn', 'utf8').catch(() => '0'))

for (const WORKERS of ['1', '2']) {
  const name = `clients that come all at once are kept until they are taken up (WORKERS=${WORKERS})`
  t.test(name, { skip: longest <= CLIENTS && `${longest} may wait here, if that is known` }, async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl, env: { WORKERS } })
    await freeze(t, gateway.pid)
    let connected = 0

    for (let n = 0; n < CLIENTS; n += 1) {
      const socket = connect(gateway.port, '127.0.0.1', () => {
        connected += 1
      })
      socket.on('error', () => {})
      t.teardown(() => socket.destroy())
    }

    await until('all of them', () => connected === CLIENTS)
    t.pass('nobody was turned away')
  })
}

/** Stops the process and its children where they are, as if they were busy with something else. */
async function freeze(t: Test, pid: number): Promise<void> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  for (const each of [...children.split(' ').filter(Boolean).map(Number), pid]) {
    process.kill(each, 'SIGSTOP')
    t.teardown(() => process.kill(each, 'SIGCONT'))
  }
}
