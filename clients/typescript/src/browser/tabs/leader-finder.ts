/**
 * Finds the host where there is no SharedWorker: one of the tabs leads, and is the host of all. Tabs talk over BroadcastChannels: all
 * listen to one that says who leads, and each to one of its own.
 *
 * The leader holds a Web Lock, so when it closes or crashes the browser hands the lead to the next tab. A leader that will be frozen
 * resigns; one that does not answer is replaced by force. Pages without Web Locks (insecure origins) agree by their messages: a tab
 * leads if it receives no message of a leader, and of two leaders the one with the smaller id stays.
 */
import { Host } from './host.js'
import { type HostLink, type Link, pair } from './link.js'
import type { ToHost, ToTab } from './messages.js'
import type { HostFinder } from './tab-session.js'

type Announcement =
  | { readonly kind: 'who' }
  | { readonly kind: 'leader'; readonly id: string }
  | { readonly kind: 'resigned'; readonly id: string }

/** A message to the channel of one tab. */
type Letter =
  | { readonly to: 'host'; readonly from: string; readonly message: ToHost }
  | { readonly to: 'tab'; readonly from: string; readonly message: ToTab }

/** Without Web Locks: how long a tab listens for a leader before it leads, at least and at most. */
const LISTEN_MS = [200, 600] as const

export class LeaderFinder implements HostFinder {
  readonly #id = newId()
  readonly #all: BroadcastChannel
  readonly #own: BroadcastChannel
  #onLink: (link: HostLink) => void = () => {}
  #leader: string | undefined
  /** While this tab follows another one. */
  #link: HostLink | undefined
  /** While this tab leads. */
  #host: Host | undefined
  readonly #served = new Map<string, Link<ToHost, ToTab>>()
  /** Ends the hold of the lock, or the wait for it. */
  #giveUpLock: (() => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** While the page is frozen, or about to be: it must not lead. */
  #isAway = false
  readonly #closing = new AbortController()

  constructor(
    readonly name: string,
    readonly locks: LockManager | undefined = navigator.locks,
  ) {
    this.#all = new BroadcastChannel(name)
    this.#own = new BroadcastChannel(`${name} ${this.#id}`)
  }

  start(onLink: (link: HostLink) => void): void {
    this.#onLink = onLink
    this.#all.onmessage = ({ data }: MessageEvent<Announcement>) => this.#hear(data)
    this.#own.onmessage = ({ data }: MessageEvent<Letter>) => this.#open(data)
    // A frozen tab would keep the lock, and a page in the back/forward cache too.
    const { signal } = this.#closing
    for (const type of ['freeze', 'pagehide'])
      addEventListener(type, () => this.#pause(), { capture: true, signal })
    for (const type of ['resume', 'pageshow'])
      addEventListener(type, () => this.#comeBack(), { capture: true, signal })
    this.#stand()
  }

  lost(reason: 'silent' | 'gone'): void {
    if (this.#host) this.#onLink(this.#linkToSelf(this.#host))
    else {
      this.#leader = undefined
      this.#stand(reason === 'silent')
    }
  }

  close(): void {
    this.#closing.abort()
    this.#pause()
    this.#all.close()
    this.#own.close()
  }

  /** Asks for the leader, and is ready to lead. @param isForced whether to take the lead from a tab that does not answer. */
  #stand(isForced = false): void {
    if (this.#closing.signal.aborted || this.#isAway || this.#host) return
    this.#announce({ kind: 'who' })
    if (this.locks) this.#waitForLock(this.locks, isForced)
    else {
      clearTimeout(this.#timer)
      const [least, most] = LISTEN_MS
      this.#timer = setTimeout(() => this.#leader ?? this.#lead(), least + Math.random() * (most - least))
    }
  }

  #waitForLock(locks: LockManager, isForced: boolean): void {
    if (this.#giveUpLock && !isForced) return
    this.#giveUpLock?.()
    const waiting = new AbortController()
    let release: (() => void) | undefined
    const giveUp = () => {
      waiting.abort()
      release?.()
    }
    this.#giveUpLock = giveUp
    const hold = () => {
      if (waiting.signal.aborted) return
      this.#lead()
      return new Promise<void>(resolve => {
        release = resolve
      })
    }
    // The request rejects when its wait was given up, and when another tab has taken the lock by force.
    void locks
      .request(this.name, isForced ? { steal: true } : { signal: waiting.signal }, hold)
      .catch(() => {})
      .then(() => {
        if (this.#giveUpLock !== giveUp) return
        this.#giveUpLock = undefined
        this.#stopLeading()
        if (!waiting.signal.aborted) this.#stand()
      })
  }

  #lead(): void {
    if (this.#closing.signal.aborted || this.#isAway || this.#host) return
    const host = new Host()
    this.#host = host
    this.#leader = this.#id
    this.#link = undefined
    this.#onLink(this.#linkToSelf(host))
    this.#announce({ kind: 'leader', id: this.#id })
  }

  #linkToSelf(host: Host): HostLink {
    const [link, served] = pair()
    host.add(served)
    return link
  }

  #stopLeading(): void {
    if (!this.#host) return
    this.#leader = undefined
    this.#host.close()
    this.#host = undefined
    this.#served.clear()
    this.#announce({ kind: 'resigned', id: this.#id })
  }

  #comeBack(): void {
    this.#isAway = false
    this.#stand()
  }

  #pause(): void {
    this.#isAway = true
    clearTimeout(this.#timer)
    this.#stopLeading()
    const giveUp = this.#giveUpLock
    this.#giveUpLock = undefined
    giveUp?.()
  }

  #hear(announcement: Announcement): void {
    if (announcement.kind === 'who') {
      if (this.#host) this.#announce({ kind: 'leader', id: this.#id })
      return
    }
    const { kind, id } = announcement
    if (kind === 'resigned') {
      if (this.#leader === id) this.lost('gone')
      return
    }
    if (this.#host) {
      // With a lock the browser decides who leads.
      if (this.locks) return
      if (this.#id < id) {
        this.#announce({ kind: 'leader', id: this.#id })
        return
      }
      this.#stopLeading()
    }
    if (this.#leader === id) return
    this.#leader = id
    this.#link = this.#linkTo(id)
    this.#onLink(this.#link)
  }

  #linkTo(leader: string): HostLink {
    const channel = new BroadcastChannel(`${this.name} ${leader}`)
    const post = (letter: Letter) => channel.postMessage(letter)
    return {
      post: message => post({ to: 'host', from: this.#id, message }),
      listener: undefined,
      close: () => channel.close(),
    }
  }

  #open(letter: Letter): void {
    const { from } = letter
    if (letter.to === 'tab') {
      if (from === this.#leader) this.#link?.listener?.(letter.message)
    } else if (this.#host) {
      const served = this.#served.get(from) ?? this.#serve(this.#host, from)
      served.listener?.(letter.message)
    }
  }

  #serve(host: Host, tab: string): Link<ToHost, ToTab> {
    const channel = new BroadcastChannel(`${this.name} ${tab}`)
    const post = (letter: Letter) => channel.postMessage(letter)
    const link: Link<ToHost, ToTab> = {
      post: message => post({ to: 'tab', from: this.#id, message }),
      listener: undefined,
      close: () => {
        this.#served.delete(tab)
        channel.close()
      },
    }
    this.#served.set(tab, link)
    host.add(link)
    return link
  }

  #announce(announcement: Announcement): void {
    this.#all.postMessage(announcement)
  }
}

/** Not `randomUUID`, which insecure origins lack. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), part => part.toString(36)).join('-')
}
