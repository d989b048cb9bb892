/**
 * Puts this client under the contract (conformance/contract/README.md): reads commands as JSON lines on standard input, lets the client
 * follow, and reports what the application sees on standard output.
 */
import { createInterface } from 'node:readline'
import {
  type AnyEvent,
  type Client,
  createClient,
  EventStream,
  type Notice,
  ProtocolError,
  SluiceError,
} from '../src/client.js'
import { type Consumer, Consumers, HandlerError, TakenOverError } from '../src/consumers/consumers.js'
import type { Credential } from '../src/credentials.js'
import type { Feed } from '../src/feed.js'
import type { StreamState } from '../src/stream-options.js'

interface Token {
  readonly token?: string
  readonly expires_in_ms?: number
}

interface Options extends Token {
  readonly last_event_id?: string
  readonly method?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly retry_ms?: number
  readonly max_ms?: number
  readonly longest_ms?: number
  readonly silence_ms?: number
  readonly max_event_bytes?: number
  readonly refresh?: readonly Token[]
  readonly renew_ms?: number
  readonly confirm_ms?: number
  readonly types?: readonly string[]
  readonly from?: string
  readonly store?: 'after' | 'before'
  readonly reload?: string | null
  readonly hold?: 'event' | 'reset'
  readonly consumer?: string
  readonly ack_every?: number
  readonly ack_after_ms?: number
  readonly close_ms?: number
  readonly standby?: true
  readonly takeover?: true
  readonly throws?: string
}

interface Command {
  readonly command: 'follow' | 'close' | 'restart' | 'go'
  readonly case: string
  readonly layer: 'sse' | 'feed' | 'consumer'
  readonly url: string
  readonly options: Options
}

interface Following {
  readonly stream: EventStream | Feed | Consumer
  /** Lets a handler that holds continue. */
  go: () => void
}

const followed = new Map<string, Following>()
const FOLLOW = { sse: followStream, feed: followFeed, consumer: followConsumer }

say({ name: 'sluice-client for TypeScript', without: [] })
for await (const line of createInterface({ input: process.stdin })) obey(JSON.parse(line))

function obey({ command, case: id, layer, url, options }: Command): void {
  const following = followed.get(id)
  if (command === 'follow') void FOLLOW[layer](id, url, options)
  if (command === 'close') following?.stream.close()
  if (command === 'restart') following?.stream.reconnect()
  if (command === 'go') following?.go()
}

async function followStream(id: string, url: string, options: Options): Promise<void> {
  const { method, body, headers, last_event_id: lastEventId } = options
  const stream = new EventStream(url, {
    ...connectionOf(id, options),
    method,
    body,
    headers,
    lastEventId,
    onComment: text => say({ case: id, saw: 'comment', text }),
  })
  await follow(id, stream, async hold => {
    for await (const event of stream) {
      say({ case: id, saw: 'event', ...event })
      if (options.hold === 'event') await hold()
    }
  })
}

async function followFeed(id: string, url: string, options: Options): Promise<void> {
  const { types, from, store } = options
  let hold = async () => {}
  const feed: Feed = clientOf(id, url, options).feed({
    ...connectionOf(id, options),
    ...noticesOf(id, options, () => hold()),
    types,
    from,
    mode: store === 'before' ? 'at-most-once' : 'at-least-once',
    cursor: store && {
      load: async () => options.last_event_id,
      save: async cursor => say({ case: id, saw: 'stored', id: cursor }),
    },
  })
  await follow(id, feed, async wait => {
    hold = wait
    await feed.each(handlerOf(id, options, wait))
  })
}

async function followConsumer(id: string, url: string, options: Options): Promise<void> {
  const { ack_every, ack_after_ms, close_ms, standby, takeover } = options
  let hold = async () => {}
  const consumer = new Consumers(clientOf(id, url, options)).follow(options.consumer ?? '', {
    ...connectionOf(id, options),
    ...noticesOf(id, options, () => hold()),
    ackEvery: ack_every,
    ackAfter: ack_after_ms,
    closeWithin: close_ms,
    standby,
    takeover,
  })
  await follow(id, consumer, async wait => {
    hold = wait
    await consumer.each(handlerOf(id, options, wait))
  })
}

function handlerOf(id: string, options: Options, hold: () => Promise<void>) {
  return async ({ id: event, type, data }: AnyEvent) => {
    say({ case: id, saw: 'event', id: event, type, data })
    if (options.hold === 'event') await hold()
    if (options.throws === event) throw new Error('The handler of the case fails.')
    say({ case: id, saw: 'handled', id: event })
  }
}

/** What the application does with notices. */
function noticesOf(id: string, options: Options, hold: () => Promise<void>) {
  const { reload } = options
  return {
    reload:
      reload === undefined
        ? undefined
        : async (notice: Notice<'reset'>) => {
            say({ case: id, saw: 'reset', id: notice.id, reason: notice.data.reason })
            if (options.hold === 'reset') await hold()
            say({ case: id, saw: 'reloaded' })
            return reload ?? undefined
          },
    onNotice({ type, data }: Notice) {
      if (type === 'server.state') say({ case: id, saw: 'state', mode: data.mode })
      if (type === 'auth-renewed') say({ case: id, saw: 'renewed' })
    },
  }
}

function clientOf(id: string, url: string, options: Options): Client {
  const { token, expires_in_ms, refresh, renew_ms, confirm_ms, retry_ms, max_ms } = options
  const first =
    token === undefined
      ? undefined
      : credential({ token, ...(expires_in_ms !== undefined && { expires_in_ms }) })
  const further = [...(refresh ?? [])]
  let isFirst = true
  const credentials = () => {
    if (isFirst && first) {
      isFirst = false
      return first
    }
    say({ case: id, saw: 'asked' })
    const next = further.shift()
    if (!next) throw new Error('There are no further credentials.')
    return credential(next)
  }
  return createClient({
    url,
    credentials: refresh ? credentials : first,
    retry: retry_ms,
    max: max_ms,
    attempts: 1,
    renewBefore: renew_ms,
    confirmWithin: confirm_ms,
  })
}

/** Reports how the client has ended. */
async function follow(
  id: string,
  stream: EventStream | Feed | Consumer,
  run: (hold: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const following: Following = { stream, go: () => {} }
  followed.set(id, following)
  const hold = () =>
    new Promise<void>(resolve => {
      following.go = resolve
    })
  try {
    await run(hold)
    const { state } = stream
    say({
      case: id,
      saw: 'ended',
      why: state.name === 'closed' && state.reason === 'ended' ? 'closed' : 'stopped',
    })
  } catch (error) {
    const { code, status } = error instanceof SluiceError ? error : { code: undefined, status: undefined }
    say({ case: id, saw: 'ended', why: reasonOf(error), code, status, detail: String(error) })
  } finally {
    followed.delete(id)
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof HandlerError) return 'handler'
  if (error instanceof TakenOverError) return 'taken-over'
  if (error instanceof ProtocolError) return 'protocol'
  return error instanceof SluiceError && error.code === 'reset' ? 'reset' : 'refused'
}

function connectionOf(id: string, options: Options) {
  return {
    retry: options.retry_ms,
    max: options.max_ms,
    longest: options.longest_ms,
    silence: options.silence_ms,
    maxEventBytes: options.max_event_bytes,
    onState(state: StreamState) {
      if (state.name === 'open') say({ case: id, saw: 'opened' })
      if (state.name === 'waiting') say({ case: id, saw: 'retrying', delay_ms: state.ms })
    },
  }
}

function credential({ token = '', expires_in_ms: left }: Token): Credential {
  return { token, expiresAt: left === undefined ? undefined : Date.now() + left }
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
