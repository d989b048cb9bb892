/**
 * Chats whose answers outlive the process that writes them. A question is done in four steps, and each can be repeated:
 *
 * 1. `answer.started` in the list of answers under way: from here on the answer will be completed, by this process or by a later one;
 * 2. the stream of the answer exists, and the model begins to write to it;
 * 3. `chat.asked` in the transcript, by which other tabs get the question; then the browser gets the name of the stream;
 * 4. at the end of the answer, `chat.answered` in the transcript and `answer.ended` in the list.
 */
import type { UIMessage, UIMessageChunk } from 'ai'
import { type Client, createClient, RefusedError } from 'sluice-client'
import { type Answers, createAnswers, type SourceStart } from 'sluice-client/ai'
import { answerOf, eventsOf, transcriptOf, UNDER_WAY, unfinished } from './log.js'
import { answerIdOf, type Ending, endingOf, messageOf, textOf } from './message.js'
import type { Model } from './model.js'

/** The transcript keeps the text; the tokens one by one are not needed for long. */
const ANSWER_TTL_SECONDS = 86_400

export interface Question {
  /** That of the message: a question that arrives twice is one. */
  readonly id: string
  readonly chat: string
  readonly text: string
}

export interface Transcript {
  readonly messages: readonly UIMessage[]
  /** How answers have ended, by the ids of their messages. An answer that is being written is in neither. */
  readonly endings: Readonly<Record<string, Ending>>
  /** Follow the stream of the transcript from here. */
  readonly head: string
}

export interface ChatsOptions {
  readonly url: string
  readonly credentials: () => string
  readonly model: Model
  readonly onError: (error: unknown) => void
}

interface UnderWay {
  readonly question: Question
  readonly stream: Promise<string>
}

export class Chats {
  readonly #client: Client
  readonly #answers: Answers
  readonly #underWay = new Map<string, UnderWay>()

  constructor(readonly options: ChatsOptions) {
    const { url, credentials } = options
    // A gateway that is being replaced is back in seconds.
    const patient = { url, credentials, attempts: 60, retry: 100, max: 2_000 }
    this.#client = createClient(patient)
    this.#answers = createAnswers({ ...patient, ttlSeconds: ANSWER_TTL_SECONDS, resume: true })
  }

  /** Continues the answers that an earlier process has left. Call it before the first request is answered. */
  async continue(): Promise<void> {
    const left = await unfinished(this.#client).catch(error => {
      if (error instanceof RefusedError && error.code === 'not-found') return []
      throw error
    })
    await Promise.all(
      left.map(({ data }) =>
        this.#answer({ id: String(data.question), chat: String(data.chat), text: String(data.text) }),
      ),
    )
  }

  /** The chat, which exists from now on. */
  async open(chat: string): Promise<Transcript> {
    const stream = transcriptOf(chat)
    const stored = await eventsOf(this.#client, stream).catch(async error => {
      if (!(error instanceof RefusedError) || error.code !== 'not-found') throw error
      await this.#publish(stream, 'chat.opened', { id: chat })
      return await eventsOf(this.#client, stream)
    })
    const messages = new Map<string, UIMessage>()
    const endings: Record<string, Ending> = {}
    for (const { type, data } of stored.events) {
      if (type !== 'chat.asked' && type !== 'chat.answered') continue
      const message = data.message as unknown as UIMessage
      messages.set(message.id, message)
      if (type === 'chat.answered') endings[message.id] = data.ending as Ending
    }
    return { messages: [...messages.values()], endings, head: stored.head }
  }

  /** @returns the stream of the answer; undefined if the chat waits for the answer to another question. */
  async ask(question: Question): Promise<string | undefined> {
    const underWay = this.#underWay.get(question.chat)
    if (underWay) return underWay.question.id === question.id ? await underWay.stream : undefined
    return await this.#answer(question)
  }

  /** @returns the stream of the answer that is being written. */
  async streamOf(chat: string): Promise<string | undefined> {
    return await this.#underWay.get(chat)?.stream
  }

  /** The producer learns of the cancel from the stream, so it may run in any process. */
  async stop(chat: string): Promise<void> {
    const stream = await this.streamOf(chat)
    if (stream) await this.#answers.cancel(stream)
  }

  /** Stores what the models have given so far, for the process that continues. */
  async leave(): Promise<void> {
    await this.#answers.leave()
  }

  #answer(question: Question): Promise<string> {
    const stream = this.#start(question)
    this.#underWay.set(question.chat, { question, stream })
    stream.catch(() => this.#underWay.delete(question.chat))
    return stream
  }

  async #start(question: Question): Promise<string> {
    const { id, chat, text } = question
    const answer = answerOf(chat, id)
    await this.#publish(UNDER_WAY, 'answer.started', { id: answer, question: id, chat, text })
    const source = (start: SourceStart) => this.#parts(question, start)
    const { stream, done } = await this.#answers.start(source, { stream: answer })
    const message = messageOf(id, 'user', text)
    await this.#publish(transcriptOf(chat), 'chat.asked', { id, message, stream })
    done
      .then(({ outcome }) => this.#end(question, outcome))
      // It is in the list still, so the next process continues it.
      .catch(this.options.onError)
      .finally(() => this.#underWay.delete(chat))
    return stream
  }

  /** The parts of a message of the AI SDK, but for those that are stored. */
  async *#parts({ id, text }: Question, { stored, signal }: SourceStart): AsyncGenerator<UIMessageChunk> {
    const parts = stored as readonly UIMessageChunk[]
    const lacks = (type: UIMessageChunk['type']) => !parts.some(part => part.type === type)
    if (lacks('start')) yield { type: 'start', messageId: answerIdOf(id) }
    if (lacks('text-start')) yield { type: 'text-start', id: 'text' }
    const written = textOf(parts)
    for await (const delta of this.options.model.continue({ prompt: text, written, signal })) {
      yield { type: 'text-delta', id: 'text', delta }
    }
    if (lacks('text-end')) yield { type: 'text-end', id: 'text' }
    yield { type: 'finish' }
  }

  async #end({ id, chat }: Question, outcome: string): Promise<void> {
    // Another process continues it.
    if (outcome === 'left' || outcome === 'taken-over') return
    const { events } = await eventsOf(this.#client, answerOf(chat, id))
    const parts = events.flatMap(({ type, data }) => (type === 'chunk' ? [data.json as never] : []))
    const message = messageOf(answerIdOf(id), 'assistant', textOf(parts))
    const answered = { id: message.id, message, ending: endingOf(parts) }
    await this.#publish(transcriptOf(chat), 'chat.answered', answered)
    await this.#publish(UNDER_WAY, 'answer.ended', { id: answerOf(chat, id) })
  }

  /** However often it is repeated, the event is stored once. */
  async #publish(stream: string, type: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    const event = { type, data: JSON.parse(JSON.stringify(data)) }
    await this.#client.publish(event, { stream, idempotencyKey: `${stream}:${type}:${data.id}` })
  }
}
