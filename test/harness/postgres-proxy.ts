/**
 * A network between a client and Postgres that can fail in the ways that networks and poolers do. TCP towards the
 * client, whatever the database's URL says towards the server.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import pg from 'pg'
import type { Test } from 'tap'
import { freePort } from './port.js'

/** The type of ReadyForQuery. */
const READY = 'Z'
/** Its status outside of a transaction. */
const OUTSIDE = 'I'

export interface PostgresProxy {
  readonly url: string
  /** Where connections lead that are accepted from now on: at first to the database that it was started for. */
  databaseUrl: string
  /** Connections accepted so far. */
  readonly accepted: number
  /** Connections that clients hold right now. */
  readonly open: number
  /**
   * What happens to a connection that is accepted from now on: it works, or is cut at once, or is never answered, or
   * passes each message of the server through `messages`.
   */
  mode: 'pass' | 'refuse' | 'silent'
  /** Connections that are accepted from now on are cut after so many bytes of the server. */
  cutAfterBytes: number
  /**
   * Sees each message of the server, whole; what it returns goes on to the client. `asked` is what the client has sent in this session
   * since it was last outside of a transaction.
   */
  messages: (message: Buffer, asked: Buffer) => Buffer
  /** The connections of now stay open, but not a byte goes through any more, either way. */
  freeze(): void
  /** Runs a statement in each session of now, unseen by its client. A session must be idle: its last message was ReadyForQuery. */
  inject(statement: string): void
  /** Cuts all connections and accepts no more, until `listen`. */
  unplug(): Promise<void>
  /** Accepts connections again, at the same port. */
  plugIn(): Promise<void>
}

/** At a port of its own also while it is unplugged: the system gives it to no outgoing connection. Closed when the test is over. */
export async function startProxy(test: Test, databaseUrl: string): Promise<PostgresProxy> {
  const pairs = new Set<Pair>()
  let accepted = 0
  const port = await freePort()
  const server = createServer({ allowHalfOpen: false }, client => {
    accepted += 1
    if (proxy.mode === 'refuse') {
      client.destroy()
      return
    }
    const pair: Pair = {
      client,
      server: proxy.mode === 'pass' ? connectTo(proxy.databaseUrl) : undefined,
      hidden: 0,
    }
    pairs.add(pair)
    client.on('error', () => {})
    client.on('close', () => {
      pairs.delete(pair)
      pair.server?.destroy()
    })
    const messages: PostgresProxy['messages'] = (...both) => proxy.messages(...both)
    if (pair.server) join(pair, pair.server, { messages, cutAfterBytes: proxy.cutAfterBytes })
    else client.resume()
  })
  const proxy = {
    url: '',
    databaseUrl,
    get accepted() {
      return accepted
    },
    get open() {
      return pairs.size
    },
    mode: 'pass' as PostgresProxy['mode'],
    cutAfterBytes: Number.POSITIVE_INFINITY,
    messages: ((message: Buffer) => message) as PostgresProxy['messages'],
    freeze() {
      for (const { client, server } of pairs) {
        client.removeAllListeners('data').resume()
        // Not even the end of the connection is passed on.
        server?.removeAllListeners('data').removeAllListeners('close').resume()
      }
    },
    inject(statement: string) {
      for (const pair of pairs) {
        pair.hidden += 1
        pair.server?.write(query(statement))
      }
    },
    async unplug() {
      for (const { client } of pairs) client.destroy()
      if (server.listening) await new Promise(resolve => server.close(resolve))
    },
    async plugIn() {
      await once(server.listen(port, '127.0.0.1'), 'listening')
    },
  }
  test.teardown(() => proxy.unplug())
  await proxy.plugIn()
  const { user, database, password } = new pg.Client(databaseUrl)
  proxy.url = `postgres://${user}${password ? `:${encodeURIComponent(password)}` : ''}@127.0.0.1:${port}/${database}`
  return proxy
}

interface Pair {
  readonly client: Socket
  readonly server: Socket | undefined
  /** Injected statements whose answers, up to ReadyForQuery, are not passed on. */
  hidden: number
}

function connectTo(url: string): Socket {
  const { host, port } = new pg.Client(url)
  return host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
}

type Passing = Pick<PostgresProxy, 'messages' | 'cutAfterBytes'>

/** PostgreSQL manual, Message Formats, Query. */
function query(statement: string): Buffer {
  const text = Buffer.from(`${statement}\0`)
  const head = Buffer.alloc(5)
  head.write('Q')
  head.writeInt32BE(text.length + 4, 1)
  return Buffer.concat([head, text])
}

function join(pair: Pair, server: Socket, { messages, cutAfterBytes }: Passing): void {
  const { client } = pair
  let left = cutAfterBytes
  let asked: Buffer = Buffer.alloc(0)
  client.on('data', bytes => {
    asked = Buffer.concat([asked, bytes])
    server.write(bytes)
  })
  server.on('error', () => {})
  server.on('close', () => client.destroy())
  let rest: Buffer = Buffer.alloc(0)
  server.on('data', bytes => {
    rest = Buffer.concat([rest, bytes])
    const passed: Buffer[] = []
    // A type of one byte, then the length of all but that byte (PostgreSQL manual, Message Formats).
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const length = rest.readInt32BE(1) + 1
      const type = rest.toString('latin1', 0, 1)
      if (pair.hidden === 0) passed.push(messages(rest.subarray(0, length), asked))
      else if (type === READY) pair.hidden -= 1
      if (type === READY && rest.toString('latin1', 5, 6) === OUTSIDE) asked = Buffer.alloc(0)
      rest = rest.subarray(length)
    }
    const bytesNow = Buffer.concat(passed)
    if (bytesNow.length < left) client.write(bytesNow)
    else client.end(bytesNow.subarray(0, left), () => client.destroy())
    left = Math.max(left - bytesNow.length, 0)
  })
}
