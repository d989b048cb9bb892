/** nats-server or redis-server from PATH or /usr/sbin, on a free port, without a file on disk. */
import type { ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { start } from './child.js'
import { freePort } from './free-port.js'

const PATIENCE_MS = 10_000

export interface Broker {
  readonly child: ChildProcess
  readonly pid: number
  /** The variables of a gateway that uses it. */
  readonly env: Readonly<Record<string, string>>
}

export async function startBroker(kind: 'nats' | 'redis'): Promise<Broker> {
  const port = await freePort()
  const args =
    kind === 'nats'
      ? ['--addr', '127.0.0.1', '--port', `${port}`]
      : ['--bind', '127.0.0.1', '--port', `${port}`, '--save', '', '--appendonly', 'no']
  const child = start(`${kind}-server`, args, {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  })
  const deadline = performance.now() + PATIENCE_MS
  while (!(await isOpen(port))) {
    if (performance.now() > deadline) throw new Error(`${kind}-server does not listen.`)
    await pause(20)
  }
  const env =
    kind === 'nats' ? { NATS_URL: `nats://127.0.0.1:${port}` } : { REDIS_URL: `redis://127.0.0.1:${port}` }
  return { child, pid: child.pid ?? 0, env }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
