/** Tabs of one browser that follow a feed, and what each of them has received. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'
import { BareProfile, BareTab } from '../../../harness/bare-tab.js'
import { type ClientPages, serveClientPages } from '../../../harness/client-pages.js'
import { createDatabase } from '../../../harness/database.js'
import { as, publish } from '../../../harness/gateway.js'
import { type GatewayProcess, startProcess } from '../../../harness/process.js'
import { until } from '../../../harness/until.js'

/** What a page does, for `sluice` as a global. */
export const TAB_SCRIPT = join(packageRoot, 'test/end-to-end/clients/typescript/tab.js')

const EXPORTS = `export { createClient } from './client.js'
  export { createTabClient } from './browser/tabs/tabs.js'`
const WITHOUT_LOCKS = 'delete Navigator.prototype.locks;'
const SKEWED = 'var skew = 0; { const { now } = Date; Date.now = () => now() + skew }'

/** As `open` in tab.js takes them. */
export interface OpenOptions {
  /** Whether a SharedWorker holds the connection, or a tab; `default`: the script of the package; undefined: each tab has its own. */
  readonly worker?: boolean | 'default'
  /** Whether it waits for five minutes after each connection, unless it wakes. */
  readonly patient?: boolean
  readonly ping?: number
  readonly user?: string
  /** Without Web Locks, as on an insecure origin. */
  readonly withoutLocks?: boolean
  /** The clock of the page is `Date.now() + skew`. */
  readonly skewed?: boolean
  /** How long the handler takes for each event, in milliseconds. */
  readonly slow?: number
  readonly feed?: { readonly from?: string; readonly last?: number; readonly stream?: string }
  /** Default: from the site. */
  readonly credentials?: string
}

export class Tabs {
  readonly pages: BareTab[] = []
  /** How many events were published: the data of each is its number. */
  published = 0
  gateway: GatewayProcess

  private constructor(
    readonly t: Test,
    readonly profile: BareProfile,
    readonly site: ClientPages,
    readonly databaseUrl: string,
    gateway: GatewayProcess,
  ) {
    this.gateway = gateway
  }

  /** A site whose pages use the client, and a gateway of another origin. */
  static async start(t: Test, browser: Browser, exports = EXPORTS, alias = {}): Promise<Tabs> {
    return await Tabs.at(
      t,
      browser,
      await serveClientPages(t, exports, await readFile(TAB_SCRIPT, 'utf8'), alias),
    )
  }

  /** The same for pages that are served already. */
  static async at(t: Test, browser: Browser, site: ClientPages): Promise<Tabs> {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl, env: { CORS_ORIGINS: site.origin } })
    const profile = await BareProfile.open(browser)
    return new Tabs(t, profile, site, databaseUrl, gateway)
  }

  async open(options: OpenOptions): Promise<BareTab> {
    const page = await this.start(options)
    await page.until('a tab has a connection', 'tab.feed.state.name === "open"')
    this.pages.push(page)
    return page
  }

  /** A tab that may never be served. */
  async start(options: OpenOptions): Promise<BareTab> {
    const script = `${options.withoutLocks ? WITHOUT_LOCKS : ''}${options.skewed ? SKEWED : ''}`
    const page = await BareTab.open(this.profile, this.site.origin, script)
    await page.evaluate(`void open(${JSON.stringify({ url: this.gateway.url, ...options })})`)
    return page
  }

  async close(page: BareTab): Promise<void> {
    this.pages.splice(this.pages.indexOf(page), 1)
    await page.close()
  }

  /** Ends the tabs. No page must have thrown. */
  async end(): Promise<void> {
    this.t.strictSame(
      this.pages.flatMap(({ errors }) => errors),
      [],
    )
    await this.profile.close()
  }

  /** The tab that leads, where one does. @param among tabs that are not frozen. */
  async leader(among: readonly BareTab[] = this.pages): Promise<BareTab> {
    let found: BareTab | undefined
    await until('a tab leads', async () => {
      for (const page of among) if (await page.evaluate('leads()')) found = page
      return found !== undefined
    })
    if (!found) throw new Error('No tab leads.')
    return found
  }

  async publish(count: number, stream = 'feed'): Promise<void> {
    const events = Array.from({ length: count }, (_, index) => ({
      type: 'n',
      data: { n: this.published + index + 1 },
    }))
    await publish(this.gateway, events, { stream })
    this.published += count
  }

  /** Kills the gateway and starts it again. */
  async restart(): Promise<void> {
    await this.gateway.kill()
    const { port } = this.gateway
    this.gateway = await startProcess(this.t, {
      databaseUrl: this.databaseUrl,
      port,
      env: { CORS_ORIGINS: this.site.origin },
    })
  }

  async post<Body>(path: string, body: object = {}): Promise<Body> {
    const response = await fetch(this.gateway.url + path, {
      method: 'POST',
      headers: { ...as('editor'), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`status ${response.status}`)
    return (await response.json()) as Body
  }

  async remove(stream: string): Promise<void> {
    const response = await fetch(`${this.gateway.url}/api/streams/${stream}`, {
      method: 'DELETE',
      headers: as('admin'),
    })
    if (!response.ok) throw new Error(`status ${response.status}`)
  }

  /** Resolves when every tab has received the newest event, and the gateway serves one stream. */
  async settle(what: string): Promise<void> {
    for (const page of this.pages) await this.hasNewest(page, what)
    await until(`${what}: the gateway serves one stream`, async () => (await this.streams()) === 1)
  }

  async hasNewest(page: BareTab, what: string): Promise<void> {
    const tab = this.pages.indexOf(page)
    await until(`${what}: tab ${tab} has event ${this.published}`, async () => {
      const [last, error] = (await page.evaluate('[tab.received.at(-1), tab.error]')) as [number, string]
      if (error) throw new Error(`${what}: tab ${tab}: ${error}`)
      return last === this.published
    })
  }

  /** The value of the expression in each tab. */
  async evaluate(expression: string): Promise<unknown[]> {
    return await Promise.all(this.pages.map(page => page.evaluate(expression)))
  }

  async streams(): Promise<number> {
    const response = await fetch(`${this.gateway.url}/api/clients`, { headers: as('admin') })
    const { total } = (await response.json()) as { total: number }
    return total
  }

  /** The numbers that each tab has received in vain: missing, twice, or out of order. A tab starts at its first one. */
  async faults(): Promise<unknown[]> {
    const faults = this.pages.map(async (page, index) => {
      const received = (await page.evaluate('tab.received')) as number[]
      const [first = 1] = received
      const expected = Array.from({ length: this.published - first + 1 }, (_, n) => first + n)
      const fault = received.findIndex((n, at) => n !== expected[at])
      return fault === -1 && received.length === expected.length
        ? []
        : [{ tab: index, at: fault, got: received.slice(fault - 1, fault + 3), length: received.length }]
    })
    return (await Promise.all(faults)).flat()
  }
}
