/**
 * The side that holds the connection for all tabs of one user: a SharedWorker, or the tab that leads. It has one stream of the gateway for
 * each filter, and gets its credentials from any tab that is alive.
 */
import type { Credential } from '../../credentials.js'
import { Gateway } from '../../requests.js'
import type { TabLink } from './link.js'
import type { Filter, HostOptions, ToHost } from './messages.js'
import { Member, SharedFeed } from './shared-feed.js'

/** A tab answers at once, or is frozen: then another one is asked. */
const CREDENTIALS_MS = 5_000
/** A tab that was silent for this long is forgotten. The timers of a hidden tab may run only once a minute. */
const FORGET_MS = 180_000
const SWEEP_MS = 15_000

/** What the host knows of one tab. */
class Tab {
  readonly members = new Map<number, { readonly member: Member; readonly shared: SharedFeed }>()
  heardAt = Date.now()
  /** Set while the host waits for its credentials. */
  answer: ((credentials: Credential | undefined) => void) | undefined

  constructor(readonly link: TabLink) {}
}

export class Host {
  readonly #tabs = new Set<Tab>()
  readonly #feeds = new Map<string, SharedFeed>()
  readonly #sweep = setInterval(() => this.#forgetSilent(), SWEEP_MS)
  #gateway: Gateway | undefined
  #hasAsked = false

  /** Serves a tab from now on. */
  add(link: TabLink): void {
    const tab = new Tab(link)
    this.#tabs.add(tab)
    link.listener = message => this.#receive(tab, message)
  }

  /** Ends all connections; the tabs look for another host. */
  close(): void {
    clearInterval(this.#sweep)
    for (const tab of this.#tabs) this.#forget(tab)
    for (const shared of this.#feeds.values()) shared.close()
  }

  #receive(tab: Tab, message: ToHost): void {
    tab.heardAt = Date.now()
    switch (message.kind) {
      case 'join':
        this.#join(tab, message.feed, message.filter, message.options)
        break
      case 'consumed':
        tab.members.get(message.feed)?.member.consumed(message.count)
        break
      case 'leave':
        this.#leave(tab, message.feed)
        break
      case 'credentials':
        tab.answer?.(message.credentials)
        break
      case 'ping':
        tab.link.post({ kind: 'pong' })
        break
      case 'bye':
        this.#forget(tab)
    }
  }

  #join(tab: Tab, feed: number, filter: Filter, options: HostOptions): void {
    const key = JSON.stringify([filter.stream, filter.types, filter.where, filter.envelope])
    const shared = this.#feeds.get(key) ?? this.#start(key, filter, options)
    const member = new Member(feed, message => tab.link.post(message))
    tab.members.set(feed, { member, shared })
    shared.join(member)
  }

  #start(key: string, filter: Filter, options: HostOptions): SharedFeed {
    this.#gateway ??= this.#gatewayOf(options)
    const shared: SharedFeed = new SharedFeed(this.#gateway, filter, options.silence, () => {
      if (this.#feeds.get(key) === shared) this.#feeds.delete(key)
    })
    this.#feeds.set(key, shared)
    return shared
  }

  #gatewayOf({ hasCredentials, silence: _, ...options }: HostOptions): Gateway {
    const credentials = hasCredentials ? () => this.#credentials() : undefined
    return new Gateway({ ...options, credentials, attempts: 3 })
  }

  #leave(tab: Tab, feed: number): void {
    const joined = tab.members.get(feed)
    if (!joined) return
    tab.members.delete(feed)
    joined.shared.leave(joined.member)
    this.#closeUnused(joined.shared)
  }

  #closeUnused(shared: SharedFeed): void {
    if (!shared.isEmpty) return
    for (const [key, other] of this.#feeds) if (other === shared) this.#feeds.delete(key)
    shared.close()
  }

  #forget(tab: Tab): void {
    if (!this.#tabs.delete(tab)) return
    for (const feed of [...tab.members.keys()]) this.#leave(tab, feed)
    tab.answer?.(undefined)
    // It may only be frozen, and reads this when it continues.
    tab.link.post({ kind: 'gone' })
    tab.link.close()
  }

  #forgetSilent(): void {
    const since = Date.now() - FORGET_MS
    for (const tab of this.#tabs) if (tab.heardAt < since) this.#forget(tab)
  }

  /** Asks one tab after the other, the one that was heard from last first. @throws if none of them can. */
  async #credentials(): Promise<Credential> {
    const isRefresh = this.#hasAsked
    this.#hasAsked = true
    for (const tab of [...this.#tabs].sort((a, b) => b.heardAt - a.heardAt)) {
      const credentials = await ask(tab, isRefresh)
      if (credentials !== undefined) return credentials
    }
    throw new Error('No tab has credentials.')
  }
}

async function ask(tab: Tab, isRefresh: boolean): Promise<Credential | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    return await new Promise(resolve => {
      tab.answer = resolve
      timer = setTimeout(resolve, CREDENTIALS_MS, undefined)
      tab.link.post({ kind: 'credentials', isRefresh })
    })
  } finally {
    clearTimeout(timer)
    tab.answer = undefined
  }
}
