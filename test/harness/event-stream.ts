/** An SSE client for tests that shows everything: status, headers, each message as it came, retry, comments, the end. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Test } from 'tap'
import { afterPatience } from './patience.js'
import { until } from './until.js'

const PATIENCE_MS = 15_000
/** For some streams that are tried one after another. */
const STAYING_MS = 60_000

export interface EventStream {
  readonly response: IncomingMessage
  /** All messages so far, notices included. */
  readonly messages: EventSourceMessage[]
  readonly retries: number[]
  /** The bytes so far, as text. */
  readonly text: () => string
  /** Resolves with the messages when there are as many of that name (or of any), or as `enough` says. */
  until(
    enough: number | ((messages: EventSourceMessage[]) => boolean),
    name?: string,
  ): Promise<EventSourceMessage[]>
  /** Resolves when the server has ended the response; true if it was a clean end. */
  ended(): Promise<boolean>
  close(): void
}

export interface OpenOptions {
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly patienceMs?: number
}

/** Opens the stream and resolves when its head has arrived. The stream is closed when the test ends. */
export async function openStream(test: Test, url: string, options: OpenOptions = {}): Promise<EventStream> {
  const { headers = {}, patienceMs = PATIENCE_MS } = options
  const sent = request(url, { headers: { accept: 'text/event-stream', ...headers }, agent: false })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  test.teardown(() => sent.destroy())

  const messages: EventSourceMessage[] = []
  const retries: number[] = []
  const waiting = new Set<() => void>()
  let text = ''
  let end: boolean | undefined
  const changed = () => {
    for (const look of [...waiting]) look()
  }
  const parser = createParser({
    onEvent: message => messages.push(message),
    onRetry: retry => retries.push(retry),
  })
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    text += chunk
    parser.feed(chunk)
    changed()
  })
  response.on('error', () => {})
  response.on('close', () => {
    end = response.complete
    changed()
  })

  const wait = <T>(look: () => T | undefined, what: string) =>
    new Promise<T>((resolve, reject) => {
      const callOff = afterPatience(patienceMs, () => {
        waiting.delete(check)
        reject(new Error(`${what} did not come within ${patienceMs} ms; so far: ${text.slice(-2_000)}`))
      })
      const check = () => {
        const found = look()
        if (found === undefined) return
        callOff()
        waiting.delete(check)
        resolve(found)
      }
      waiting.add(check)
      check()
    })

  return {
    response,
    messages,
    retries,
    text: () => text,
    until: (enough, name) =>
      wait(
        () => {
          const found = name === undefined ? messages : messages.filter(({ event }) => event === name)
          return (typeof enough === 'number' ? found.length >= enough : enough(found)) ? found : undefined
        },
        `${typeof enough === 'number' ? enough : 'enough'} ${name ?? 'messages'}`,
      ),
    ended: () => wait(() => end, 'the end'),
    close: () => sent.destroy(),
  }
}

/**
 * Resolves when a stream has had so many heartbeats. Where none would pass, a proxy cuts each stream before; a machine that stands
 * still for as long may cost one, so another one is tried.
 */
export async function staysOpen(
  test: Test,
  url: string,
  beats: number,
  headers: OpenOptions['headers'] = {},
): Promise<void> {
  const look = async () => {
    const stream = await openStream(test, url, { headers })
    const isOpen = stream.until(beats, 'heartbeat').then(() => true)
    return await Promise.race([isOpen, stream.ended().then(() => false)]).finally(() => stream.close())
  }
  await until(`a stream has ${beats} heartbeats`, look, STAYING_MS)
}
