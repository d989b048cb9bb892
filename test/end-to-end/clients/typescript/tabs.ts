/** Tabs of one browser that follow a feed, and what each of them has received. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'
import { type ClientPages, serveClientPages } from '../../../harness/client-pages.js'
import { createDatabase } from '../../../harness/database.js'
import { as, publish } from '../../../harness/gateway.js'
import { type GatewayProcess, startProcess } from '../../../harness/process.js'
import { until } from '../../../harness/until.js'

const SCRIPT = join(packageRoot, 'test/end-to-end/clients/typescript/tab.js')
/** For twenty tabs on a machine of two processors. */
const PATIENCE_MS = 60_000

/** As `open` in tab.js takes them. */
export interface OpenOptions {
  /** Whether a SharedWorker holds the connection, or a tab. */
  readonly worker: boolean
  readonly ping?: number
  readonly user?: string
  /** Without Web Locks, as on an insecure origin. */
  readonly withoutLocks?: boolean
  /** How long the handler takes for each event, in milliseconds. */
  readonly slow?: number
  readonly feed?: { readonly from?: string; readonly last?: number; readonly types?: readonly string[] }
}

export class Tabs {
  readonly pages: Page[] = []
  /** How many events were published: the data of each is its number. */
  published = 0
  gateway: GatewayProcess

  private constructor(
    readonly t: Test,
    readonly context: BrowserContext,
    readonly site: ClientPages,
    readonly databaseUrl: string,
    gateway: GatewayProcess,
  ) {
    this.gateway = gateway
  }

  /** A site whose pages use the client, and a gateway of another origin. */
  static async start(t: Test, context: BrowserContext): Promise<Tabs> {
    const exports = "export { createTabClient } from './browser/tabs/tabs.js'"
    const site = await serveClientPages(t, exports, await readFile(SCRIPT, 'utf8'))
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl, env: { CORS_ORIGINS: site.origin } })
    return new Tabs(t, context, site, databaseUrl, gateway)
  }

  async open(options: OpenOptions): Promise<Page> {
    const page = await this.context.newPage()
    page.on('pageerror', error => this.t.fail(error.message))
    if (options.withoutLocks) await page.addInitScript('delete Navigator.prototype.locks')
    await page.goto(this.site.origin)
    await page.evaluate(`void open(${JSON.stringify({ url: this.gateway.url, ...options })})`)
    await page.waitForFunction('tab.feed.state.name === "open"', undefined, { timeout: PATIENCE_MS })
    this.pages.push(page)
    return page
  }

  async close(page: Page | undefined): Promise<void> {
    if (!page) return
    this.pages.splice(this.pages.indexOf(page), 1)
    await page.close()
  }

  async publish(count: number): Promise<void> {
    const events = Array.from({ length: count }, (_, index) => ({
      type: 'n',
      data: { n: this.published + index + 1 },
    }))
    await publish(this.gateway, events)
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

  /** Resolves when every tab has received the newest event, and the gateway serves one stream. */
  async settle(what: string): Promise<void> {
    for (const page of this.pages) {
      const last = () => page.evaluate(`tab.received.at(-1) ?? tab.error`)
      let seen: unknown
      await until(`${what}: a tab has event ${this.published}, and not ${seen}`, async () => {
        seen = await last()
        return seen === this.published
      })
    }
    await until(`${what}: the gateway serves one stream`, async () => (await this.streams()) === 1)
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
