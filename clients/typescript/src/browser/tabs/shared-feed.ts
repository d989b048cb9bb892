/**
 * One stream of the gateway for the feeds of all tabs that select the same events. It keeps no event: each frame goes to every member at
 * once, and a member that has too many unconsumed frames is ended, so that no tab delays another or holds memory. The tab joins again
 * and reads what it has missed itself (shared-frames.ts).
 */
import { SluiceError } from '../../errors.js'
import type { Notice } from '../../events.js'
import { Feed } from '../../feed.js'
import type { Gateway } from '../../requests.js'
import type { Filter, Frame, Refusal, ToTab } from './messages.js'

/** The frames and bytes that one tab may hold unconsumed. A single larger frame is sent when the tab has consumed everything else. */
const MAX_FRAMES = 256
const MAX_CHARACTERS = 1024 * 1024

/** Final for a client, and no reason to refresh its credentials: for an end that has no status of its own. */
const FORBIDDEN = 403
/** Notices that concern the tabs too; the others concern the connection. */
const RELAYED: ReadonlySet<string> = new Set(['reset', 'heartbeat', 'auth-revoked'])

/** The feed of one tab. */
export class Member {
  /** The sizes of the frames that were sent and not consumed, oldest first. */
  readonly #sizes: number[] = []
  #characters = 0

  constructor(
    readonly feed: number,
    readonly post: (message: ToTab) => void,
  ) {}

  /** @returns false if the tab has fallen behind; then nothing was sent. */
  send(frame: Frame): boolean {
    const size = frame.data.length
    const isFull = this.#sizes.length >= MAX_FRAMES || this.#characters + size > MAX_CHARACTERS
    if (isFull && this.#sizes.length > 0) return false
    this.#sizes.push(size)
    this.#characters += size
    this.post({ kind: 'frame', feed: this.feed, frame })
    return true
  }

  consumed(count: number): void {
    for (const size of this.#sizes.splice(0, count)) this.#characters -= size
  }
}

/**
 * States: closed to members while the stream is not open (a tab that joins waits), then open from the first `server.state` of a
 * connection until that connection ends, again and again. It starts at the newest event, and continues at its own cursor after an
 * interruption. `onEnd` is called when it has ended for good, and all members have received the reason.
 */
export class SharedFeed {
  readonly #feed: Feed
  readonly #members = new Set<Member>()
  readonly #waiting = new Set<Member>()
  #open: { id: string; mode: string } | undefined

  constructor(
    gateway: Gateway,
    { stream, types, where, envelope }: Filter,
    silence: number | undefined,
    readonly onEnd: () => void,
  ) {
    this.#feed = new Feed(gateway, {
      stream,
      types: types?.split(','),
      where,
      envelope: envelope === 'message',
      silence,
      onState: ({ name }) => name === 'waiting' && this.#interrupt(),
      onNotice: notice => this.#onNotice(notice),
      // The tabs load their state anew when they read the frame of the `reset`.
      reload: () => undefined,
    })
    void this.#run(envelope === 'message')
  }

  get isEmpty(): boolean {
    return this.#members.size + this.#waiting.size === 0
  }

  join(member: Member): void {
    if (this.#open) this.#admit(member, this.#open)
    else this.#waiting.add(member)
  }

  leave(member: Member): void {
    this.#members.delete(member)
    this.#waiting.delete(member)
  }

  close(): void {
    this.#feed.close()
  }

  async #run(isEnveloped: boolean): Promise<void> {
    try {
      for await (const { id, type, text } of this.#feed)
        this.#relay({ isEvent: true, id, event: isEnveloped ? '' : type, data: text })
      this.#tellAll(({ feed }) => ({ kind: 'complete', feed }))
    } catch (error) {
      const refusal = refusalOf(error)
      this.#tellAll(({ feed }) => (refusal ? { kind: 'refused', feed, refusal } : { kind: 'ended', feed }))
    }
    this.onEnd()
  }

  #onNotice(notice: Notice): void {
    if (notice.type === 'server.state') {
      const isFirst = notice.data.connection !== undefined
      this.#open = { id: notice.id, mode: notice.data.mode }
      if (!isFirst) {
        this.#relay(frameOf(notice))
        return
      }
      // In case the end of the previous connection went unnoticed.
      this.#end([...this.#members])
      for (const member of this.#waiting) this.#admit(member, this.#open)
      this.#waiting.clear()
      return
    }
    if (RELAYED.has(notice.type)) this.#relay(frameOf(notice))
  }

  #admit(member: Member, { id, mode }: { id: string; mode: string }): void {
    this.#members.add(member)
    member.post({ kind: 'joined', feed: member.feed, id, mode })
  }

  #relay(frame: Frame): void {
    if (this.#open && frame.id) this.#open.id = frame.id
    this.#end([...this.#members].filter(member => !member.send(frame)))
  }

  #interrupt(): void {
    this.#open = undefined
    this.#end([...this.#members])
  }

  #end(members: readonly Member[]): void {
    for (const member of members) {
      this.#members.delete(member)
      member.post({ kind: 'ended', feed: member.feed })
    }
  }

  #tellAll(messageFor: (member: Member) => ToTab): void {
    for (const member of [...this.#members, ...this.#waiting]) member.post(messageFor(member))
    this.#members.clear()
    this.#waiting.clear()
  }
}

function frameOf({ id, type, data }: Notice): Frame {
  return { isEvent: false, id, event: type, data: JSON.stringify(data) }
}

/** Undefined if a tab should simply join again. */
function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof SluiceError)) return undefined
  const { code, message, detail = message, status = 0, problem } = error
  return { status: status < 400 ? FORBIDDEN : status, problem: { code, detail, ...problem } }
}
