/** Judges one event for many clients: its data is scanned once for each path, and it is encoded once in each form. */
import type { JudgedEvent, Judgement } from '../clients/client-report.js'
import { EventContent } from '../log/content-filter/event-content.js'
import type { Position, StoredEvent } from '../log/event.js'
import type { Encoding } from '../sse/encoding.js'
import type { ClientIdentity } from './client-identity.js'

export class EventJudge {
  readonly #streamId: number
  readonly #event: StoredEvent
  readonly #content: EventContent
  /** Whether each form has such an event. */
  readonly #forms = new Map<Encoding, boolean>()

  constructor({ streamId, eventId, position, at, type, data, attributes }: JudgedEvent) {
    this.#streamId = streamId
    this.#event = { eventId, position: position as Position, at: new Date(at), type, data, attributes }
    this.#content = new EventContent(this.#event)
  }

  /** Whether the client may get the event, for each reason for which it may not. Undefined if it follows another stream. */
  judge(
    { granted, wanted }: Pick<ClientIdentity, 'granted' | 'wanted'>,
    encoding: Encoding,
    streamId: number,
  ): Judgement | undefined {
    if (streamId !== this.#streamId) return undefined
    const event = this.#event
    return {
      granted: granted?.matches(event, this.#content) ?? true,
      types: wanted?.types.matches(event.type) ?? true,
      where: wanted?.where?.matches(event, this.#content) ?? true,
      form: this.#hasForm(encoding),
    }
  }

  #hasForm(encoding: Encoding): boolean {
    const known = this.#forms.get(encoding)
    if (known !== undefined) return known
    const has = encoding.event(this.#event).length > 0
    this.#forms.set(encoding, has)
    return has
  }
}
