/** The receivers of webhooks: one process (bench/webhook-receiver.ts), which checks what it gets. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import limit from 'p-limit'
import { answerTo } from './answer.js'
import { stop, watch } from './child.js'
import { type Subject, tokenOf } from './subject.js'
import type { ReceiverOrder, ReceiverReport } from './webhook-receiver.js'

const PROGRAM = fileURLToPath(new URL('./webhook-receiver.js', import.meta.url))
const MAX_HOSTS = 20
const CREATED_AT_ONCE = 8

export interface NewEndpoints {
  readonly workspace: string
  readonly count: number
  readonly order: 'ordered' | 'parallel'
  readonly start: 'now' | 'beginning'
}

export class Receivers {
  readonly #process = watch(fork(PROGRAM))

  /** Starts them and creates an endpoint for each. The events have the type `tick`. */
  async create({ url }: Subject, { workspace, count, order, start }: NewEndpoints): Promise<void> {
    const hosts = Math.min(count, MAX_HOSTS)
    const { ports } = await this.#order({ kind: 'listen', hosts, ordered: order === 'ordered' })
    const headers = {
      authorization: `Bearer ${tokenOf(workspace, 'admin')}`,
      'content-type': 'application/json',
    }
    const slots = limit(CREATED_AT_ONCE)
    await slots.map(Array.from({ length: count }).keys(), async n => {
      const target = `http://127.0.0.1:${ports[n % hosts]}/${n}`
      const parallel = order === 'parallel' ? { max_in_flight: 100 } : {}
      const body = JSON.stringify({ url: target, types: 'tick', start, order, ...parallel })
      const response = await fetch(`${url}/api/webhooks`, { method: 'POST', headers, body })
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    })
  }

  /** All answer with this status from now on. */
  answer(status: number): Promise<ReceiverReport> {
    return this.#order({ kind: 'answer', status })
  }

  /** Resolves when so many events have been accepted, by all together. */
  accepted(events: number): Promise<ReceiverReport> {
    return this.#order({ kind: 'await', events })
  }

  /** With the arrivals since the last report. */
  report(): Promise<ReceiverReport> {
    return this.#order({ kind: 'report' })
  }

  close(): Promise<void> {
    return stop(this.#process, 'SIGKILL')
  }

  #order(order: ReceiverOrder): Promise<ReceiverReport> {
    return answerTo(order, this.#process)
  }
}
