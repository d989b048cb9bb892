/** A worker's end of the channel to its parent process (server/workers.ts). */
import { withinDeadline } from './deadline.js'
import type {
  Address,
  JointReports,
  Question,
  Questions,
  ToParent,
  Topic,
  ToWorker,
  WorkerReports,
} from './worker-message.js'

/** Longer than the parent waits for the slowest worker, shorter than a prober waits for us. */
const ANSWER_DEADLINE_MS = 800

/** The functions that make a worker's reports. */
export type Reporters = {
  readonly [Of in Topic]: (about: Questions[Of]) => WorkerReports[Of] | Promise<WorkerReports[Of]>
}

export class WorkerChannel {
  readonly #questions = new Map<number, (answer: Partial<JointReports>) => void>()
  #question = 0
  #reporters: Reporters | undefined
  #announce: ((inMs: number) => void) | undefined

  /** @param onStop called when the parent wants this process to end. */
  constructor(onStop: () => void) {
    process.on('message', (message: ToWorker) => {
      if (message.say === 'stop') onStop()
      else if (message.say === 'announce') this.#announce?.(message.inMs)
      else if (message.say === 'report') void this.#report(message.round, message)
      else this.#questions.get(message.question)?.(message.answer)
    })
  }

  /**
   * Reports that this process listens; from now on it answers the parent.
   * @param announce called when the parent is going to stop this process.
   */
  join(address: Address, reporters: Reporters, announce: (inMs: number) => void): void {
    this.#reporters = reporters
    this.#announce = announce
    this.#send({ say: 'listening', ...address })
  }

  /** The reports of all workers together; undefined if the parent does not answer in time. */
  async ask<Of extends Topic>(
    asked: Question & { readonly topic: Of },
  ): Promise<JointReports[Of] | undefined> {
    const question = this.#question++
    const answer = new Promise<Partial<JointReports>>(resolve => this.#questions.set(question, resolve))
    this.#send({ ...asked, say: 'ask', question })
    const given = await withinDeadline(answer, ANSWER_DEADLINE_MS).finally(() =>
      this.#questions.delete(question),
    )
    return given?.[asked.topic]
  }

  async #report(round: number, question: Question): Promise<void> {
    const report = this.#reporters && (await reportOn(this.#reporters, question))
    if (report) this.#send({ say: 'report', round, report })
  }

  #send(message: ToParent): void {
    // If the parent has just ended, this process ends too, so a lost message does no harm.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
  }
}

async function reportOn(reporters: Reporters, { topic, about }: Question): Promise<Partial<WorkerReports>> {
  switch (topic) {
    case 'clients':
      return { clients: await reporters.clients(about) }
    case 'metrics':
      return { metrics: await reporters.metrics(about) }
    case 'recent':
      return { recent: await reporters.recent(about) }
    case 'connections':
      return { connections: await reporters.connections(about) }
  }
}
