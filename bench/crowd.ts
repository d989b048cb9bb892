/** A crowd of clients: raw sockets in a process of their own (bench/listeners.ts), which check what they get. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { answerTo } from './answer.js'
import { stop, watch } from './child.js'
import type { Listener } from './listener.js'
import type { OpenOrder, Order, Report } from './listeners.js'
import type { Server } from './server.js'

const LISTENERS = fileURLToPath(new URL('./listeners.js', import.meta.url))

export interface CrowdOptions extends Partial<Omit<OpenOrder, 'kind' | 'clients'>> {
  readonly server: Pick<Server, 'url' | 'path' | 'viewer' | 'greeting'>
}

export class Crowd {
  readonly #process = watch(fork(LISTENERS, { execArgv: ['--max-old-space-size=8192'] }))

  /** Resolves when all clients are connected and have received the first block of their streams. */
  open(clients: number, { server, ...options }: CrowdOptions): Promise<Report> {
    return this.#order({
      kind: 'open',
      url: server.url,
      path: server.path,
      token: server.viewer,
      greeting: server.greeting,
      clients,
      atOnce: 64,
      stalls: false,
      notes: true,
      places: [{ first: 0 }],
      ...options,
    })
  }

  /** Resolves when every client has received all events before `next`. */
  reached(next: Listener['next']): Promise<Report> {
    return this.#order({ kind: 'await', next })
  }

  /** Makes the stalled clients continue to read. */
  resume(): Promise<Report> {
    return this.#order({ kind: 'resume' })
  }

  /** @param since for each array, the delays of all arrivals of event n after since[n], which is in ns. */
  report(...since: readonly (readonly number[])[]): Promise<Report> {
    return this.#order({ kind: 'report', since })
  }

  close(): Promise<void> {
    return stop(this.#process, 'SIGKILL')
  }

  #order(order: Order): Promise<Report> {
    return answerTo(order, this.#process)
  }
}
