/** A system Chromium with a new profile, driven through playwright-core, which brings no browser of its own. */
import axe, { type Result, type RunOptions } from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import tap, { type Test } from 'tap'
import { patient, within } from './patience.js'
import { findProgram } from './program.js'

const PATIENCE_MS = 30_000

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

// Root and containers have no sandbox and little /dev/shm; the rest keeps it from calling home.
const FLAGS = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking']

/** The program's path: `CHROMIUM`, else the first of the usual names in PATH, else undefined. */
export function findBrowser(): string | undefined {
  return process.env.CHROMIUM || findProgram(NAMES)
}

/** For `t.test(name, { skip: withoutBrowser() }, …)`: false where Chromium is there, else the reason. */
export function withoutBrowser(): string | false {
  return (
    findBrowser() === undefined && 'Chromium is not installed (apt-get install chromium, or set CHROMIUM)'
  )
}

/** Starts a headless browser and closes it when `t` ends. */
export async function openBrowser(t: Pick<Test, 'teardown'>): Promise<Browser> {
  const executablePath = findBrowser()
  if (executablePath === undefined) throw new Error('Chromium is not installed; skip with withoutBrowser().')
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS })
  browser.on('context', context => context.setDefaultTimeout(patient(PATIENCE_MS)))
  t.teardown(() => within(PATIENCE_MS, browser.close(), () => 'Chromium did not close.'))
  return browser
}

export interface OpenPage {
  readonly page: Page
  /** What the page threw, and what it logged as an error: also what its policy forbids. */
  readonly errors: string[]
}

/** One browser for all pages of the file: a start takes most of a second. */
let shared: Promise<Browser> | undefined

/** A page with a profile of its own, which is closed when `t` ends. */
export async function openPage(t: Test, options?: BrowserContextOptions): Promise<OpenPage> {
  shared ??= openBrowser(tap)
  const context = await (await shared).newContext(options)
  t.teardown(() => within(PATIENCE_MS, context.close(), () => 'The page did not close.'))
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', error => void errors.push(error.message))
  page.on('console', message => void (message.type() === 'error' && errors.push(message.text())))
  return { page, errors }
}

/** What axe-core finds wrong with the page for people who do not see it, or use no mouse: a line for each rule. */
export async function accessFaults(page: Page, rules: RunOptions['rules'] = {}): Promise<string[]> {
  await page.evaluate(axe.source)
  // All rules run. Details of the elements that satisfy them take most of the time.
  const options: RunOptions = { rules, resultTypes: ['violations'] }
  const violations = await page.evaluate<Result[]>(
    `axe.run(document, ${JSON.stringify(options)}).then(({ violations }) => violations)`,
  )
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`)
}
