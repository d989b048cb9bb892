/** A process of the load: it gets orders over its channel, and reports. It ends with the process that started it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** For its last lines, when it has been asked to end. */
const END_MS = 20_000

export class Child<Order extends object, Report> {
  /** The last one; undefined before the first. */
  report: Report | undefined
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  #isEnding = false
  #fault: Error | undefined

  /** @param program the compiled file, from here. */
  constructor(program: string) {
    this.#process = fork(fileURLToPath(new URL(program, import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process.on('message', (report: Report) => {
      this.report = report
    })
    this.#ended = once(this.#process, 'exit').then(([code, signal]) => {
      if (!this.#isEnding) this.#fault = new Error(`${program} of the load has ended with ${code ?? signal}.`)
    })
  }

  /** @throws {Error} if it has ended by itself. */
  check(): void {
    if (this.#fault) throw this.#fault
  }

  send(order: Order): void {
    this.check()
    this.#process.send(order)
  }

  /** Resolves when it has ended, by the order or, if that takes too long, by SIGKILL. */
  async end(order: Order): Promise<void> {
    this.#isEnding = true
    if (this.#process.connected) this.#process.send(order)
    const late = setTimeout(() => this.#process.kill('SIGKILL'), END_MS)
    await this.#ended
    clearTimeout(late)
  }
}

/** In the child: takes orders until the parent ends. */
export function takeOrders<Order>(take: (order: Order) => unknown): void {
  process.on('message', (order: Order) => void take(order))
  process.on('disconnect', () => process.exit(1))
}

/** In the child: reports from now on, until the result is called. */
export function reportEvery(ms: number, report: () => object): () => void {
  const send = () => process.connected && process.send?.(report())
  const timer = setInterval(send, ms)
  return () => {
    clearInterval(timer)
    send()
  }
}
