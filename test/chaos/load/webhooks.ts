/** Webhooks of the load, and their receivers, which now and then fail at the first attempt, answer late, or accept and break. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { recordRequest } from '../../checker/webhook-request.js'
import type { RecordedWebhook } from '../../checker/work-recorder.js'
import type { Form } from '../../followers/forms.js'
import { nameOf, type Place } from '../../followers/place.js'
import { authorizationOfWork, type WorkOptions } from './consumers.js'
import { ask, isPassing, RETRY_MS } from './request.js'
import { SELECTIONS, SHIPMENTS, TASKS } from './streams.js'
import { WorkFollower } from './work-follower.js'

const FAILS = 0.006
const IS_SLOW = 0.02
const SLOW_MS = { least: 100, most: 3_000 } as const

interface WebhookPlan {
  readonly name: string
  readonly place: Place
  readonly isOrdered: boolean
  readonly form?: 'cloudevents' | 'cloudevents-binary'
  readonly types?: readonly string[] | undefined
}

export const WEBHOOKS: readonly WebhookPlan[] = [
  { name: 'ordered', place: TASKS, isOrdered: true },
  { name: 'parallel', place: TASKS, isOrdered: false, form: 'cloudevents' },
  { name: 'some types', place: SHIPMENTS, isOrdered: true, types: SELECTIONS[0], form: 'cloudevents-binary' },
  { name: 'parallel too', place: SHIPMENTS, isOrdered: false },
]

export class Webhook extends WorkFollower {
  /** Of the webhook. */
  readonly id: string
  readonly #server: Server
  readonly #options: WorkOptions
  readonly #record: RecordedWebhook
  readonly #secret: string
  readonly #path: string
  readonly #place: Place
  #isStopped = false

  private constructor(plan: WebhookPlan, server: Server, created: Created, options: WorkOptions) {
    const { name, place, isOrdered, form, types } = plan
    super(`webhook ${name}`, place)
    this.id = created.id
    this.#place = place
    this.#secret = created.secret
    this.#path = created.path
    this.#server = server
    this.#options = options
    const written: Form = form ? 'webhook cloudevent' : 'webhook'
    this.#record = options.recorder.webhook({
      webhook: name,
      stream: nameOf(place),
      form: written,
      ...(types && { types: [...types] }),
      start: created.cursor,
      isOrdered,
    })
  }

  static async create(plan: WebhookPlan, options: WorkOptions): Promise<Webhook> {
    const server = createServer(
      (request, response) => void made.then(webhook => webhook.#take(request, response)),
    )
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const made = createAt(plan, options.origin, `http://127.0.0.1:${port}`).then(
      created => new Webhook(plan, server, created, options),
    )
    return await made
  }

  /** Its receiver works since it was made. */
  async follow(): Promise<void> {}

  override settle(last: string): void {
    super.settle(last)
    void this.#hurry()
  }

  stop(): void {
    this.#isStopped = true
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** What has failed would be tried again after minutes only: it is tried at once, as when an operator asks for it. */
  async #hurry(): Promise<void> {
    const headers = { authorization: authorizationOfWork(this.#place) }
    const url = `${this.#options.origin}/api/webhooks/${this.id}`
    for (const change of ['pause', 'resume'])
      while (!this.#isStopped && (await ask(`${url}/${change}`, { method: 'POST', headers }))?.status !== 200)
        await pause(RETRY_MS)
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { random, tally } = this.#options
    const { headers, url } = request
    if (url !== this.#path) {
      response.writeHead(410).end()
      return
    }
    const body = await text(request).catch(() => undefined)
    // The gateway has ended in the middle of its request.
    if (body === undefined) return
    tally.deliveries += 1
    const accepted = recordRequest(this.#record, { headers, body }, [this.#secret])
    const isFirst = headers['sluice-attempt'] === '1'
    const way =
      isFirst && random.chance(FAILS)
        ? random.pick(['refuses', 'breaks', 'accepts and breaks'] as const)
        : 'accepts'
    if (way === 'refuses') response.writeHead(random.pick([429, 500, 503])).end()
    else if (way === 'breaks') response.socket?.resetAndDestroy()
    else {
      if (random.chance(IS_SLOW)) await pause(random.between(SLOW_MS.least, SLOW_MS.most))
      accepted()
      // The answer does not arrive, and the event comes again.
      if (way === 'accepts and breaks') response.socket?.resetAndDestroy()
      else response.writeHead(204).end()
    }
  }
}

interface Created {
  /** At which it receives. */
  readonly path: string
  readonly id: string
  readonly secret: string
  readonly cursor: string
}

/** One that was stored although nobody answered has another path, at which nobody wants it. */
async function createAt(plan: WebhookPlan, gateway: string, receiver: string): Promise<Created> {
  const { name, place, isOrdered, form, types } = plan
  for (let attempt = 1; ; attempt += 1) {
    const path = `/${attempt}`
    const answer = await ask(`${gateway}/api/webhooks`, {
      headers: { authorization: authorizationOfWork(place) },
      body: {
        url: `${receiver}${path}`,
        stream: place.stream,
        start: 'beginning',
        order: isOrdered ? 'ordered' : 'parallel',
        ...(form && { form }),
        ...(types && { types: types.join(',') }),
      },
    })
    if (answer?.status === 201) return { ...JSON.parse(answer.text), path }
    if (!isPassing(answer))
      throw new Error(`The webhook ${name} was answered with ${answer?.status}: ${answer?.text}`)
    await pause(RETRY_MS)
  }
}
