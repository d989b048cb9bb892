/** A worker's end of the channel to its parent (server/workers.ts): what it is asked, and what it asks. */
import type { Address, Census, ClientCounts, ToParent, ToWorker } from './worker-message.js'

/** Longer than the parent waits for the slowest worker, shorter than a probe's patience. */
const CENSUS_DEADLINE_MS = 800

export class Siblings {
  readonly #questions = new Map<number, (census: Census) => void>()
  #question = 0
  #clients: () => ClientCounts = () => ({ total: 0, byKind: {} })

  /** @param onStop is called when the parent wants this process to end. */
  constructor(onStop: () => void) {
    process.on('message', (message: ToWorker) => {
      if (message.say === 'stop') onStop()
      else if (message.say === 'count') {
        this.#tell({ say: 'count', round: message.round, clients: this.#clients() })
      } else this.#questions.get(message.question)?.(message.census)
    })
  }

  /** Tells the parent that this process serves, and from now on how many streams it has open, when asked. */
  join(address: Address, clients: () => ClientCounts): void {
    this.#clients = clients
    this.#tell({ say: 'listening', ...address })
  }

  /** The open streams of all workers; undefined when the parent does not say in time. */
  async census(): Promise<Census | undefined> {
    const question = this.#question++
    let late: NodeJS.Timeout | undefined
    const answer = new Promise<Census | undefined>(resolve => {
      late = setTimeout(() => resolve(undefined), CENSUS_DEADLINE_MS)
      this.#questions.set(question, resolve)
    })
    this.#tell({ say: 'ask', question })
    return await answer.finally(() => {
      clearTimeout(late)
      this.#questions.delete(question)
    })
  }

  #tell(message: ToParent): void {
    // A parent that has just gone takes this process with it; what was to be said does not matter any more.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
  }
}
