/** More clients than one process may have files open: several crowds as one. */
import { Crowd, type CrowdOptions } from './crowd.js'
import type { Report } from './listeners.js'

export class Crowds {
  readonly #most: number
  readonly #crowds: Crowd[] = []
  #clients = 0

  /** @param most the clients of one process. */
  constructor(most: number) {
    this.#most = most
  }

  /** Resolves when all clients are connected and have received the first block of their streams. */
  async open(clients: number, options: CrowdOptions): Promise<void> {
    for (let left = clients; left > 0; left -= this.#most) {
      const crowd = new Crowd()
      this.#crowds.push(crowd)
      const next = Math.min(left, this.#most)
      await crowd.open(next, { ...options, others: this.#clients })
      this.#clients += next
    }
  }

  /** Resolves when every client has received all events before `next`. */
  reached(next: number): Promise<Report[]> {
    return Promise.all(this.#crowds.map(crowd => crowd.reached(next)))
  }

  reports(): Promise<Report[]> {
    return Promise.all(this.#crowds.map(crowd => crowd.report()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#crowds.map(crowd => crowd.close()))
  }
}

export function sumOf(reports: readonly Report[], member: 'heartbeats' | 'returned' | 'events'): number {
  return reports.reduce((sum, report) => sum + report[member], 0)
}
