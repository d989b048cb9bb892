/** NATS as a broker, with core subjects only: no JetStream. Its client is loaded at the first connection. */
import { readFile } from 'node:fs/promises'
import { connect as connectSocket, type Socket } from 'node:net'
import type { ConnectionOptions, NatsConnection, Server } from '@nats-io/transport-node'
import { untilAborted } from '../process/deadline.js'
import type { Broker, BrokerConnection, BrokerEvents, BrokerFiles } from './broker.js'

const CONNECT_DEADLINE_MS = 5_000
const CLIENT_NAME = 'sluice'

export interface NatsOptions extends BrokerFiles {
  /** `nats://…` or `tls://…`, several separated by commas. */
  readonly url: string
  /** The user's JWT and the seed of its key, as `nsc` writes them. */
  readonly credsFile?: string | undefined
}

/** The options that the library passes on to its transport. */
type Options = ConnectionOptions & { readonly signal: AbortSignal }
type Library = Awaited<ReturnType<typeof load>>

export class NatsBroker implements Broker {
  readonly kind = 'nats'
  readonly #options: NatsOptions

  constructor(options: NatsOptions) {
    this.#options = options
  }

  async connect(channel: string, events: BrokerEvents, signal: AbortSignal): Promise<BrokerConnection> {
    const library = await load()
    const connection = await this.#open(library, signal)
    connection.subscribe(channel, {
      callback: (error, message) => (error ? events.onLost(error) : events.onMessage(message.data)),
    })
    void report(connection, events)
    const close = async () => {
      await connection.close().catch(() => {})
    }
    try {
      // The answer to this comes after the subscription.
      await connection.flush()
    } catch (error) {
      await close()
      throw error
    }
    return {
      maxBytes: connection.info?.max_payload ?? 0,
      async publish(messages) {
        for (const message of messages) connection.publish(channel, message)
        await connection.flush()
      },
      close,
    }
  }

  async #open({ nats, transport }: Library, signal: AbortSignal): Promise<NatsConnection> {
    const { url, credsFile, caFile, certFile, keyFile } = this.#options
    const urls = url.split(',').map(text => new URL(text.trim()))
    const [{ username, password } = { username: '', password: '' }] = urls.filter(
      ({ username }) => username !== '',
    )
    const [user = '', pass = ''] = [username, password].map(decodeURIComponent)
    const isSecret = urls.some(({ protocol }) => protocol === 'tls:') || (caFile ?? certFile) !== undefined
    const options: Options = {
      servers: urls.map(({ host }) => host),
      ...(pass !== '' ? { user, pass } : user !== '' ? { token: user } : {}),
      ...(credsFile !== undefined && { authenticator: nats.credsAuthenticator(await readFile(credsFile)) }),
      ...(isSecret && {
        tls: { ...(caFile !== undefined && { caFile }), ...(certFile && keyFile && { certFile, keyFile }) },
      }),
      name: CLIENT_NAME,
      timeout: CONNECT_DEADLINE_MS,
      reconnect: false,
      signal,
    }
    signal.throwIfAborted()
    nats.setTransportFactory({
      factory: () => new transport.Transport(),
      dnsResolveFn: transport.resolveHost,
    })
    const connecting = nats.NatsConnectionImpl.connect(options)
    try {
      return await untilAborted(connecting, signal)
    } catch (error) {
      connecting.then(late => late.close()).catch(() => {})
      throw error
    }
  }
}

/** The reason of a refused message, such as missing permissions, arrives here alone; so does the end of the connection. */
async function report(connection: NatsConnection, { onLost }: BrokerEvents): Promise<void> {
  void connection.closed().then(error => onLost(error ?? new Error('The connection has ended.')))
  for await (const status of connection.status()) if (status.type === 'error') onLost(status.error)
}

/**
 * The library with a transport that leaves no socket. Its own one forgets the socket of a server that does not begin to talk before
 * the deadline: the socket stays open for as long as the other side leaves it.
 */
async function load() {
  const nats = await import('@nats-io/transport-node')
  const { NodeTransport, nodeResolveHost } = await import('@nats-io/transport-node/lib/node_transport.js')
  class Transport extends NodeTransport {
    override async connect(server: Server & { tlsName: string }, options: Options): Promise<void> {
      const discard = () => this.discard()
      options.signal.addEventListener('abort', discard)
      try {
        await super.connect(server, options as never)
      } finally {
        options.signal.removeEventListener('abort', discard)
      }
    }

    override dial({ hostname, port }: { hostname: string; port: number }): Promise<Socket> {
      const socket = connectSocket(port, hostname).setNoDelay(true)
      // Known from the beginning, so that `discard` finds it.
      this.socket = socket
      return new Promise((resolve, reject) => {
        const refuse = () => reject(socket.errored ?? new Error('The connection was closed.'))
        socket.on('error', () => {}).once('close', refuse)
        socket.once('connect', () => {
          socket.removeAllListeners()
          resolve(socket)
        })
      })
    }
  }
  return { nats, transport: { Transport, resolveHost: nodeResolveHost } }
}
