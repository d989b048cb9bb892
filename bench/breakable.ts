/** A gateway with default settings, on a Postgres that a bench breaks, with a network of its own for LISTEN and NOTIFY. */
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { stop } from './child.js'
import { type Holder, VITALS } from './holdings.js'
import { OwnPostgres } from './own-postgres.js'
import { type Server, serverOf } from './server.js'
import { SilentNetwork } from './silent-network.js'
import { startGateway, tokenOf } from './subject.js'

const LOOK_AGAIN_MS = 10
const PATIENCE_MS = 60_000

export interface Breakable extends Holder {
  readonly server: Server
  readonly postgres: OwnPostgres
  /** Between the gateway and Postgres, for the bus only. */
  readonly network: SilentNetwork
  /** Resolves when the gateway says so of its bus, with the time in ns. */
  bus(status: 'listening' | 'down'): Promise<number>
  close(): Promise<void>
}

export async function startBreakable(env: Readonly<Record<string, string>> = {}): Promise<Breakable> {
  const postgres = await OwnPostgres.start()
  const { port } = new URL(postgres.url)
  const network = await SilentNetwork.start(Number(port))
  const running = await startGateway(
    {
      ...env,
      DATABASE_URL: postgres.url,
      LISTEN_DATABASE_URL: postgres.url.replace(`:${port}/`, `:${network.port}/`),
    },
    [VITALS],
  )
  const server = serverOf({
    ...running,
    viewer: tokenOf('demo', 'viewer'),
    editor: tokenOf('demo', 'editor'),
  })
  return {
    child: running.child,
    databaseUrl: postgres.url,
    server,
    postgres,
    network,
    async bus(status) {
      const late = performance.now() + PATIENCE_MS
      while ((await statusOf(server.url)) !== status) {
        if (performance.now() > late) throw new Error(`The bus is not ${status} in time.`)
        await pause(LOOK_AGAIN_MS)
      }
      return Number(process.hrtime.bigint())
    },
    async close() {
      await stop(running.child)
      network.close()
      await postgres.close()
    },
  }
}

async function statusOf(url: string): Promise<string> {
  // Not kept alive: the gateway's sockets are counted.
  const { body } = await request(`${url}/ready`, { reset: true })
  return Object(await body.json()).bus
}
