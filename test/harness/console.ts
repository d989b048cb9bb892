/** The console of a gateway in a browser, as somebody who has signed in sees it. */
import type { BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import { type OpenPage, openPage } from './browser.js'
import { token } from './tokens.js'

export interface ConsoleOptions {
  /** Without a slash at its end. */
  readonly url: string
  /** A place, such as `#/feed`; the first page without it. */
  readonly place?: string
  /** A token or an API key; that of an editor without it. `null`: signed out. */
  readonly credentials?: string | null
  /** False: the gateway will refuse the credentials. */
  readonly signsIn?: boolean
  readonly browser?: BrowserContextOptions
}

export async function openConsole(t: Test, options: ConsoleOptions): Promise<OpenPage> {
  const { url, place = '', credentials = token({ role: 'editor' }), signsIn = credentials !== null } = options
  const opened = await openPage(t, options.browser)
  await opened.page.goto(credentials === null ? `${url}/` : `${url}/#token=${credentials}`)
  if (signsIn) await opened.page.locator('.shell').waitFor()
  if (place !== '') await goTo(opened.page, place)
  return opened
}

/** Goes to a place of the console without loading it again. */
export async function goTo(page: Page, place: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(place)}`)
}

/** Waits until an element with the text is there. */
export async function shows(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor()
}
