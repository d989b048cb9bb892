/**
 * A tab that Chromium may hide and freeze. The pages that playwright opens always count as visible, so this one is opened and driven
 * over the DevTools protocol, in a window of its own.
 */
import type { Browser, CDPSession } from 'playwright-core'
import { until } from './until.js'

/** For a page of a test on a machine of two processors. */
const PATIENCE_MS = 60_000

/** A profile with its own storage. */
export class BareProfile {
  private constructor(
    readonly root: CDPSession,
    readonly id: string,
  ) {}

  static async open(browser: Browser): Promise<BareProfile> {
    const root = await browser.newBrowserCDPSession()
    const { browserContextId } = await root.send('Target.createBrowserContext')
    return new BareProfile(root, browserContextId)
  }

  async close(): Promise<void> {
    await this.root.send('Target.disposeBrowserContext', { browserContextId: this.id })
    await this.root.detach()
  }
}

interface Answer {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly exceptionDetails?: { readonly exception?: { readonly description?: string } } }
  readonly result?: {
    readonly result?: { readonly value?: unknown }
    readonly exceptionDetails?: { readonly exception?: { readonly description?: string } }
  }
  readonly error?: { readonly message: string }
}

export class BareTab {
  #count = 0
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  /** What the page has thrown. */
  readonly errors: string[] = []

  private constructor(
    readonly root: CDPSession,
    readonly targetId: string,
    readonly sessionId: string,
  ) {
    root.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
      if (sessionId === this.sessionId) this.#receive(JSON.parse(message))
    })
  }

  /** @param script runs before the scripts of the page. */
  static async open({ root, id }: BareProfile, url: string, script = ''): Promise<BareTab> {
    const { targetId } = await root.send('Target.createTarget', { url: 'about:blank', browserContextId: id })
    const { sessionId } = await root.send('Target.attachToTarget', { targetId, flatten: false })
    const tab = new BareTab(root, targetId, sessionId)
    await tab.send('Page.enable')
    await tab.send('Runtime.enable')
    if (script) await tab.send('Page.addScriptToEvaluateOnNewDocument', { source: script })
    await tab.send('Page.navigate', { url })
    await tab.until(
      `the page ${url} is loaded`,
      `location.href !== "about:blank" && document.readyState === "complete"`,
    )
    return tab
  }

  async send(method: string, params: object = {}): Promise<Answer> {
    this.#count += 1
    const id = this.#count
    const answered = new Promise<Answer>(resolve => this.#waiting.set(id, resolve))
    const message = JSON.stringify({ id, method, params })
    await this.root.send('Target.sendMessageToTarget', { sessionId: this.sessionId, message })
    const answer = await answered
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`)
    return answer
  }

  /** The value of the expression, or of its promise. It works in a frozen page too. */
  async evaluate(expression: string): Promise<unknown> {
    const params = { expression, returnByValue: true, awaitPromise: true }
    const { result } = await this.send('Runtime.evaluate', params)
    const thrown = result?.exceptionDetails
    if (thrown) throw new Error(thrown.exception?.description ?? 'The page threw.')
    return result?.result?.value
  }

  async until(what: string, expression: string): Promise<void> {
    await until(what, async () => (await this.evaluate(expression)) === true, PATIENCE_MS)
  }

  async freeze(): Promise<void> {
    await this.send('Page.setWebLifecycleState', { state: 'frozen' })
  }

  async thaw(): Promise<void> {
    await this.send('Page.setWebLifecycleState', { state: 'active' })
  }

  /** Ends the process of the page: no handler of it runs. */
  async crash(): Promise<void> {
    const crashed = new Promise<void>(resolve => {
      this.root.on('Target.targetCrashed', ({ targetId }) => targetId === this.targetId && resolve())
    })
    await this.root.send('Target.setDiscoverTargets', { discover: true })
    void this.send('Page.crash').catch(() => {})
    await crashed
  }

  async close(): Promise<void> {
    await this.root.send('Target.closeTarget', { targetId: this.targetId })
  }

  #receive(answer: Answer): void {
    if (answer.method === 'Runtime.exceptionThrown')
      this.errors.push(answer.params?.exceptionDetails?.exception?.description ?? 'The page threw.')
    if (answer.id === undefined) return
    this.#waiting.get(answer.id)?.(answer)
    this.#waiting.delete(answer.id)
  }
}
