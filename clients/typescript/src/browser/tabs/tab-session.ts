/** The side of a tab: it finds the host, keeps in touch with it, and joins the feeds of the tab to those of the host. */
import type { CredentialSource } from '../../credentials.js'
import type { HostLink } from './link.js'
import { Membership } from './membership.js'
import type { Filter, HostOptions, ToTab } from './messages.js'

/** A way to find the host: a SharedWorker, or the tab that leads. */
export interface HostFinder {
  /** Calls `onLink` with a link to the host, and with another one whenever the host is another one. */
  start(onLink: (link: HostLink) => void): void
  /** The host of the last link does not answer, or has gone: find it again, or replace it. */
  lost(reason: 'silent' | 'gone'): void
  close(): void
}

/** Pings without an answer after which the host counts as dead. Counted, because a clock goes on while the machine sleeps. */
const MISSED_PINGS = 2

/**
 * Without a link, joins wait. A link that is replaced, has gone, or does not answer ends all memberships; the feeds then join
 * again, at the cursor that they have.
 */
export class TabSession {
  readonly #memberships = new Map<number, Membership>()
  #link: HostLink | undefined
  #pings: ReturnType<typeof setInterval> | undefined
  #missed = 0
  #feeds = 0
  readonly #closing = new AbortController()

  constructor(
    readonly finder: HostFinder,
    readonly source: CredentialSource,
    readonly options: HostOptions,
    readonly pingMs: number,
  ) {}

  /** Joins the host's feed with this filter. The membership is not admitted yet. */
  join(filter: Filter): Membership {
    const membership: Membership = new Membership(filter, {
      consumed: count => this.#link?.post({ kind: 'consumed', feed: membership.feed, count }),
      leave: () =>
        this.#memberships.delete(membership.feed) &&
        this.#link?.post({ kind: 'leave', feed: membership.feed }),
    })
    this.#ask(membership)
    if (this.#pings === undefined) this.#start()
    return membership
  }

  /** Leaves the host for good. */
  close(): void {
    this.#closing.abort()
    clearInterval(this.#pings)
    this.#link?.post({ kind: 'bye' })
    this.#unlink()
    this.finder.close()
  }

  #start(): void {
    this.#pings = setInterval(() => this.#ping(), this.pingMs)
    this.finder.start(link => this.#use(link))
    const { signal } = this.#closing
    for (const type of ['freeze', 'pagehide'])
      addEventListener(type, () => this.#link?.post({ kind: 'bye' }), { capture: true, signal })
  }

  #use(link: HostLink): void {
    this.#unlink()
    this.#link = link
    this.#missed = 0
    link.listener = message => this.#receive(message)
    for (const membership of [...this.#memberships.values()]) this.#ask(membership)
  }

  /** Ends the admitted memberships; those that still wait ask the next host, which may be the same one. */
  #unlink(): void {
    for (const feed of this.#memberships.keys()) this.#link?.post({ kind: 'leave', feed })
    this.#link?.close()
    this.#link = undefined
    for (const [feed, membership] of this.#memberships) {
      if (!membership.isAdmitted) continue
      this.#memberships.delete(feed)
      membership.take({ kind: 'ended', feed })
    }
  }

  /** Asks under a new number, because frames for an earlier one may still arrive. */
  #ask(membership: Membership): void {
    this.#memberships.delete(membership.feed)
    this.#feeds += 1
    const feed = this.#feeds
    membership.feed = feed
    this.#memberships.set(feed, membership)
    this.#link?.post({ kind: 'join', feed, filter: membership.filter, options: this.options })
  }

  #receive(message: ToTab): void {
    this.#missed = 0
    switch (message.kind) {
      case 'pong':
        return
      case 'gone':
        this.#unlink()
        this.finder.lost('gone')
        return
      case 'credentials':
        void this.#answer(message.isRefresh)
        return
    }
    const membership = this.#memberships.get(message.feed)
    if (message.kind !== 'joined' && message.kind !== 'frame') this.#memberships.delete(message.feed)
    membership?.take(message)
  }

  async #answer(isRefresh: boolean): Promise<void> {
    const link = this.#link
    const { source } = this
    const refreshed = isRefresh ? source.refresh() : Promise.resolve()
    const credentials = await refreshed.then(() => source.current()).catch(() => undefined)
    link?.post({ kind: 'credentials', credentials })
  }

  #ping(): void {
    if (this.#memberships.size === 0) return
    if (this.#missed >= MISSED_PINGS) {
      this.#missed = 0
      this.#unlink()
      this.finder.lost('silent')
    } else {
      this.#missed += 1
      this.#link?.post({ kind: 'ping' })
    }
  }
}
