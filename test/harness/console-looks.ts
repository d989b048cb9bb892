/** One place of the console as it looks by day, by night and on a phone. */
import type { BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import { accessFaults } from './browser.js'
import { openConsole } from './console.js'

const LOOKS: Readonly<Record<string, BrowserContextOptions>> = {
  light: {},
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
}

export interface Place {
  readonly url: string
  readonly place: string
  readonly credentials: string
  /** Resolves when the place shows what it is for. */
  readonly ready: (page: Page) => Promise<void>
}

/**
 * @returns a line for each fault, in any look: what axe-core finds, what the page or its policy throws, and a page that is wider
 *   than the window.
 */
export async function lookFaults(t: Test, { url, place, credentials, ready }: Place): Promise<string[]> {
  const faults: string[] = []
  for (const [look, browser] of Object.entries(LOOKS)) {
    const { page, errors } = await openConsole(t, { url, place, credentials, browser })
    await ready(page)
    const isTooWide = await page.evaluate<boolean>(
      'document.documentElement.scrollWidth > document.documentElement.clientWidth',
    )
    const found = [...(await accessFaults(page)), ...errors, ...(isTooWide ? ['wider than the window'] : [])]
    faults.push(...found.map(fault => `${look}: ${fault}`))
    await page.context().browser()?.close()
  }
  return faults
}
