/** The real nats-server and redis-server, on a free port of the loopback, to be stopped, frozen and started again as a test asks. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Broker, BrokerFiles } from '../../src/bus/broker.js'
import { NatsBroker } from '../../src/bus/nats-broker.js'
import { RedisBroker } from '../../src/bus/redis-broker.js'
import { freePort } from './port.js'
import { findProgram } from './program.js'
import { temporaryFolder } from './server.js'
import { until } from './until.js'

export type BrokerKind = Broker['kind']

export const BROKER_KINDS = ['nats', 'redis'] as const satisfies readonly BrokerKind[]

const PROGRAMS = { nats: 'nats-server', redis: 'redis-server' } as const

/** For `t.test(name, { skip: withoutBroker('nats') }, …)`: false where its server is there, else the reason. */
export function withoutBroker(kind: BrokerKind): string | false {
  return find(kind) === undefined && `${PROGRAMS[kind]} is not installed (apt-get install ${PROGRAMS[kind]})`
}

export interface BrokerServer {
  readonly kind: BrokerKind
  readonly port: number
  readonly folder: string
  /** Its URL, without a user. */
  readonly url: string
  /** SIGKILL. */
  kill(): Promise<void>
  /** Starts it again at the same port, with a new configuration if there is one. It has kept nothing. */
  start(configuration?: string): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Everything that it has written. */
  output(): string
}

/** @param configuration lines of its configuration file, beside the port. @param port default: a free one. */
export async function startBroker(
  t: Test,
  kind: BrokerKind,
  configuration = '',
  { secure = false }: { readonly secure?: boolean } = {},
): Promise<BrokerServer> {
  const [port, folder] = [await freePort(), await temporaryFolder()]
  const file = join(folder, 'broker.conf')
  let child: ChildProcess | undefined
  let output = ''
  const kill = async () => {
    if (child?.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  const server: BrokerServer = {
    kind,
    port,
    folder,
    url: urlOf(kind, secure, port),
    kill,
    async start(lines = configuration) {
      configuration = lines
      writeFileSync(file, `${ownLines(kind, secure, port, folder)}\n${lines}\n`)
      const args = kind === 'nats' ? ['--config', file] : [file]
      child = spawn(find(kind) ?? PROGRAMS[kind], args, { stdio: ['ignore', 'pipe', 'pipe'] })
      for (const stream of [child.stdout, child.stderr])
        stream?.setEncoding('utf8').on('data', text => (output += text))
      await until(`${PROGRAMS[kind]} listens`, () => {
        if (child?.exitCode !== null) throw new Error(`${PROGRAMS[kind]} has ended:\n${output}`)
        return isOpen(port)
      })
    },
    signal: signal => child?.kill(signal),
    output: () => output,
  }
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  await server.start()
  return server
}

/** The broker of the gateway for this server. @param url default: that of the server. */
export function brokerFor(
  { kind, url }: Pick<BrokerServer, 'kind' | 'url'>,
  files: BrokerFiles = {},
): Broker {
  return kind === 'nats' ? new NatsBroker({ url, ...files }) : new RedisBroker({ url, ...files })
}

/** The environment of a gateway that uses it. */
export function environmentFor({ kind, url }: Pick<BrokerServer, 'kind' | 'url'>): Record<string, string> {
  return { BUS: kind, [kind === 'nats' ? 'NATS_URL' : 'REDIS_URL']: url }
}

function urlOf(kind: BrokerKind, secure: boolean, port: number): string {
  const scheme = kind === 'nats' ? (secure ? 'tls' : 'nats') : secure ? 'rediss' : 'redis'
  return `${scheme}://${secure ? 'localhost' : '127.0.0.1'}:${port}`
}

function ownLines(kind: BrokerKind, secure: boolean, port: number, folder: string): string {
  if (kind === 'nats') return `listen: 127.0.0.1:${port}`
  const ports = secure ? `port 0\ntls-port ${port}` : `port ${port}`
  return `bind 127.0.0.1\n${ports}\nsave ""\nappendonly no\ndir ${folder}`
}

function isOpen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

function find(kind: BrokerKind): string | undefined {
  return findProgram([PROGRAMS[kind]], ['/usr/sbin'])
}
