/** `sluice-client/tabs`: a client whose feeds share one connection with all tabs of the browser. */
import { Client, type ClientOptions } from '../../client.js'
import { LeaderFinder } from './leader-finder.js'
import { tabFetch } from './tab-fetch.js'
import { type HostFinder, TabSession } from './tab-session.js'
import { workerFinder } from './worker-finder.js'

/** Tabs with different versions of this package do not share. */
const VERSION = '0.1.0'
const PING_MS = 5_000

export interface TabClientOptions extends Omit<ClientOptions, 'fetch'> {
  /**
   * Tabs share only if this is equal: it must differ for each user and workspace, such as the id of the user, because a tab receives what
   * the credentials of another tab may read.
   */
  readonly user: string
  /**
   * Makes the SharedWorker that holds the connection; `name` must be its name. Default: the script of this package, beside this file.
   * `false`: one of the tabs holds it, as where browsers have no SharedWorker.
   */
  readonly worker?: ((name: string) => SharedWorker) | false | undefined
  /** A connection of the feeds that brings no byte for this many milliseconds is dead. Default 65000. */
  readonly silence?: number | undefined
  /** How often a tab asks whether the host is alive, in milliseconds. After two pings without an answer it is replaced. Default 5000. */
  readonly ping?: number | undefined
}

/**
 * Feeds, also those of jobs, are served by the shared connection; each has its own handlers, cursor and `reload`. A feed that starts at
 * `now` starts after the newest event that the connection has received; one that has a cursor, or starts elsewhere, first reads what it
 * lacks in pages, and receives every event once and in order. Tickets cannot be shared: give a token or a key.
 */
export function createTabClient({
  user,
  worker,
  silence,
  ping = PING_MS,
  ...options
}: TabClientOptions): TabClient {
  return new TabClient(user, worker, silence, ping, options)
}

/** A client; `close` leaves the shared connection. A tab that is closed leaves it by itself. */
export class TabClient extends Client {
  readonly #session: TabSession | undefined

  constructor(
    user: string,
    worker: TabClientOptions['worker'],
    silence: number | undefined,
    ping: number,
    options: ClientOptions,
  ) {
    let shared: typeof fetch = fetch
    super({ ...options, fetch: (input, init) => shared(input, init) })
    // Without a way to talk to other tabs, this one has connections of its own.
    if (typeof BroadcastChannel !== 'function') return
    const { withCredentials, renewBefore, retry, max, timeout, confirmWithin } = this.gateway.options
    const events = new URL(this.gateway.urlOf('/api/events'), location.href).href
    const name = `sluice ${VERSION} ${events} ${user}`
    this.#session = new TabSession(
      finderOf(name, worker),
      this.gateway.source,
      {
        url: new URL(this.gateway.urlOf('/'), location.href).href,
        hasCredentials: options.credentials !== undefined,
        ...{ withCredentials, renewBefore, retry, max, timeout, confirmWithin, silence },
      },
      ping,
    )
    shared = tabFetch(this.#session, events)
  }

  close(): void {
    this.#session?.close()
  }
}

function finderOf(name: string, worker: TabClientOptions['worker']): HostFinder {
  const leader = new LeaderFinder(name)
  if (worker === false) return leader
  return workerFinder(() => (worker ? worker(name) : defaultWorker(name)), leader)
}

// Bundlers recognise this expression, and make a file of the script.
function defaultWorker(name: string): SharedWorker {
  return new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name })
}
