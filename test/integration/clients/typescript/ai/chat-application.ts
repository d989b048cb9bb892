/** An application as the README has it: routes that start, name and cancel answers, over a model whose parts the test gives. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import {
  type Answers,
  createAnswers,
  type SourceStart,
} from '../../../../../clients/typescript/src/ai/answers.js'

export interface ChatApplication {
  readonly url: string
  readonly answers: Answers
  /** The requests that it got, as `POST /api/chat`. */
  readonly requests: readonly string[]
  /** Adds text to the answer of a chat. */
  say(chat: string, text: string): void
  /** Ends the answer. */
  finish(chat: string): void
  /** Whether an answer of the chat is being written. */
  isUnderWay(chat: string): boolean
  /** Whether the model has seen that the answer was cancelled. */
  isAborted(chat: string): boolean
}

class Model {
  readonly #parts: object[]
  #wake = () => {}
  isOver = false
  isAborted = false

  constructor(readonly messageId: string) {
    this.#parts = [
      { type: 'start', messageId },
      { type: 'text-start', id: '1' },
    ]
  }

  add(...parts: object[]): void {
    this.#parts.push(...parts)
    this.#wake()
  }

  async *parts({ signal, stored }: SourceStart): AsyncGenerator<object> {
    signal.addEventListener('abort', () => {
      this.isAborted = true
      this.#wake()
    })
    for (let at = stored.length; !signal.aborted; at++) {
      while (at >= this.#parts.length && !this.isOver && !signal.aborted)
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
      const part = this.#parts[at]
      if (!part) return
      yield part
    }
  }
}

export async function startApplication(
  t: Test,
  gateway: string,
  credentials: string,
): Promise<ChatApplication> {
  const answers = createAnswers({ url: gateway, credentials, retry: 20, max: 200 })
  const models = new Map<string, Model>()
  const streams = new Map<string, string>()
  const requests: string[] = []

  const modelOf = (chat: string) => {
    const model = models.get(chat) ?? new Model(`answer-to-${chat}`)
    models.set(chat, model)
    return model
  }
  const answer = async (
    method: string,
    path: string,
    body: Record<string, unknown>,
  ): Promise<object | undefined> => {
    const [, chat = '', action] = /^\/api\/chat(?:\/([^/]+)\/(stream|stop))?$/.exec(path) ?? []
    if (method === 'POST' && action === 'stop') {
      await answers.cancel(String(body.stream))
      return {}
    }
    if (method === 'GET') {
      const stream = streams.get(chat)
      return stream ? { stream } : undefined
    }
    const id = String(body.id)
    const model = modelOf(id)
    const { stream, done } = await answers.start(start => model.parts(start), {
      stream: `chat/${id}/${model.messageId}`,
    })
    streams.set(id, stream)
    done.finally(() => streams.delete(id)).catch(error => t.fail(error))
    return { stream }
  }
  const server = createServer(async (incoming: IncomingMessage, response: ServerResponse) => {
    let text = ''
    for await (const part of incoming) text += part
    requests.push(`${incoming.method} ${incoming.url}`)
    const body = await answer(incoming.method ?? '', incoming.url ?? '', JSON.parse(text || '{}'))
    response.writeHead(body ? 200 : 204).end(body && JSON.stringify(body))
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/chat`,
    answers,
    requests,
    say: (chat, text) => modelOf(chat).add({ type: 'text-delta', id: '1', delta: text }),
    finish(chat) {
      modelOf(chat).isOver = true
      modelOf(chat).add({ type: 'text-end', id: '1' }, { type: 'finish' })
    },
    isUnderWay: chat => streams.has(chat),
    isAborted: chat => modelOf(chat).isAborted,
  }
}
