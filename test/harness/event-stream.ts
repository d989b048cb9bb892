/** An SSE client for tests that shows everything: status, headers, each message as it came, retry, comments, the end. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Test } from 'tap'
import { afterPatience } from './patience.js'

const PATIENCE_MS = 15_000

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
