/**
 * Sees when the world works again: a client at each gateway follows a stream of its own, and the world has recovered when an event
 * that was published afterwards, by SQL, has arrived at all of them, and nginx leads a publish to a gateway that stores it.
 */
import { type ClientRequest, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { as } from '../harness/gateway.js'
import { patienceSignal, patient } from '../harness/patience.js'
import { execute } from '../harness/server.js'
import type { ChaosGateway } from './gateways.js'
import type { World } from './world.js'

const WORKSPACE = 'sentinel'
const STREAM = 'pulse'
const COME_BACK_MS = 50
const PUBLISH_EVERY_MS = 40
const PUBLISH_PATIENCE_MS = 5_000

export class Sentinel {
  readonly #world: World
  readonly #watchers: Watcher[]
  #count = 0

  constructor(world: World, heartbeatMs: number) {
    this.#world = world
    this.#watchers = world.gateways.map(gateway => new Watcher(gateway, heartbeatMs))
  }

  async start(): Promise<void> {
    await execute(this.#world.publishersUrl, `select sluice.ensure_stream('${WORKSPACE}', '${STREAM}')`)
    for (const watcher of this.#watchers) watcher.start()
  }

  stop(): void {
    for (const watcher of this.#watchers) watcher.stop()
  }

  /**
   * Resolves with the milliseconds until everything works again.
   * @throws {Error} when it does not in time.
   */
  async recovery(patienceMs: number): Promise<number> {
    const start = performance.now()
    const first = this.#count + 1
    let sees = Number.NaN
    let stores = Number.NaN
    const passed = () => performance.now() - start
    const seeing = async () => {
      while (Number.isNaN(sees) && passed() < patienceMs) {
        await this.#publish().catch(() => undefined)
        if (this.#watchers.every(({ seen }) => seen >= first)) sees = passed()
        else await pause(PUBLISH_EVERY_MS)
      }
    }
    const storing = async () => {
      while (Number.isNaN(stores) && passed() < patienceMs) {
        if (await this.#request().catch(() => false)) stores = passed()
        else await pause(PUBLISH_EVERY_MS)
      }
    }
    await Promise.all([seeing(), storing()])
    const recovered = Math.max(sees, stores)
    if (Number.isNaN(recovered)) {
      const blind = this.#watchers.filter(({ seen }) => seen < first).map(({ name }) => name)
      const what =
        blind.length > 0 ? `${blind.join(', ')} showed no new event` : 'no publish over HTTP was stored'
      throw new Error(`No recovery within ${patienceMs} ms: ${what}.`)
    }
    return recovered
  }

  async #publish(): Promise<void> {
    this.#count += 1
    const publish = `select sluice.publish('${WORKSPACE}', '${STREAM}', 'pulse', '{"pulse":${this.#count}}')`
    await execute(this.#world.publishersUrl, publish)
  }

  async #request(): Promise<boolean> {
    const response = await fetch(`${this.#world.nginx.url}/api/events?stream=${STREAM}`, {
      method: 'POST',
      headers: { ...as('editor', WORKSPACE), 'content-type': 'application/json' },
      body: '{"type":"pulse","data":{}}',
      signal: patienceSignal(PUBLISH_PATIENCE_MS),
    })
    await response.arrayBuffer()
    return response.status === 201
  }
}

/** A client that comes back whenever its connection ends, or is silent for longer than heartbeats are apart. */
class Watcher {
  /** The number of the last event that it has seen. */
  seen = 0
  readonly name: string
  readonly #port: number
  readonly #silenceMs: number
  #sent: ClientRequest | undefined
  #isStopped = false

  constructor({ name, upstream }: ChaosGateway, heartbeatMs: number) {
    this.name = name
    this.#port = upstream.port
    this.#silenceMs = 2.5 * heartbeatMs
  }

  start(): void {
    if (this.#isStopped) return
    const sent = request(`http://127.0.0.1:${this.#port}/api/events?stream=${STREAM}`, {
      headers: { accept: 'text/event-stream', ...as('viewer', WORKSPACE) },
      agent: false,
      timeout: patient(this.#silenceMs),
    })
    this.#sent = sent
    sent.on('timeout', () => sent.destroy())
    sent.on('error', () => {})
    sent.on('close', () => setTimeout(() => this.start(), COME_BACK_MS))
    sent.on('response', response => {
      let rest = ''
      response.on('error', () => {})
      response.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines)
          this.seen = Math.max(this.seen, Number(/"pulse":(\d+)/.exec(line)?.[1] ?? 0))
      })
    })
    sent.end()
  }

  stop(): void {
    this.#isStopped = true
    this.#sent?.destroy()
  }
}
