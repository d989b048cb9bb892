/** A worker's end of the channel to its parent process (server/workers.ts). */
import { withinDeadline } from './deadline.js'
import type { Address, ClientCounts, ToParent, ToWorker, WorkerCounts } from './worker-message.js'

/** Longer than the parent waits for the slowest worker, shorter than a prober waits for us. */
const COUNTS_DEADLINE_MS = 800

export class WorkerChannel {
  readonly #questions = new Map<number, (counts: WorkerCounts) => void>()
  #question = 0
  #clients: () => ClientCounts = () => ({ total: 0, byKind: {} })

  /** @param onStop called when the parent wants this process to end. */
  constructor(onStop: () => void) {
    process.on('message', (message: ToWorker) => {
      if (message.say === 'stop') onStop()
      else if (message.say === 'count') {
        this.#send({ say: 'count', round: message.round, clients: this.#clients() })
      } else this.#questions.get(message.question)?.(message.counts)
    })
  }

  /** Reports that this process listens; from now on it answers the parent with the counts of `clients`. */
  join(address: Address, clients: () => ClientCounts): void {
    this.#clients = clients
    this.#send({ say: 'listening', ...address })
  }

  /** The open streams of all workers; undefined if the parent does not answer in time. */
  async counts(): Promise<WorkerCounts | undefined> {
    const question = this.#question++
    const answer = new Promise<WorkerCounts>(resolve => this.#questions.set(question, resolve))
    this.#send({ say: 'ask', question })
    return await withinDeadline(answer, COUNTS_DEADLINE_MS).finally(() => this.#questions.delete(question))
  }

  #send(message: ToParent): void {
    // A parent that has just ended takes this process with it, so a lost message does no harm.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
  }
}
