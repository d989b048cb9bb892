/** Places of the console as they look by day, by night and on a phone. */
import type { BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import { accessFaults } from './browser.js'
import { goTo, openConsole } from './console.js'

const LOOKS: Readonly<Record<string, BrowserContextOptions>> = {
  light: {},
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
}

export interface Looks {
  readonly url: string
  readonly credentials: string
  /** Each place, such as `#/jobs`, with a function that resolves when it shows what it is for. */
  readonly places: Readonly<Record<string, (page: Page) => Promise<void>>>
}

/**
 * @returns a line for each fault, in any look: what axe-core finds, markup that came from text, a page that is wider than the
 *   window, and what the pages or their policy throw.
 */
export async function lookFaults(t: Test, { url, credentials, places }: Looks): Promise<string[]> {
  const faults: string[] = []
  for (const [look, browser] of Object.entries(LOOKS)) {
    const { page, errors } = await openConsole(t, { url, credentials, browser })
    for (const [place, ready] of Object.entries(places)) {
      await goTo(page, place)
      await ready(page)
      const found = [...(await accessFaults(page)), ...(await markupFaults(page))]
      faults.push(...found.map(fault => `${look} ${place}: ${fault}`))
    }
    faults.push(...errors.map(error => `${look}: ${error}`))
    await page.context().close()
  }
  return faults
}

async function markupFaults(page: Page): Promise<string[]> {
  // The page itself may clip what is too wide; a box that scrolls may hold it, unless it is a column, which scrolls down only.
  const tooWide = await page.evaluate<string | undefined>(`{
    const scrolls = element => /auto|scroll/.test(getComputedStyle(element).overflowX)
    const isHeld = element => element.id !== 'main' && !element.matches('.virtual, .details') && (scrolls(element) || isHeld(element.parentElement))
    const root = document.documentElement
    const beyond = element => element.getBoundingClientRect().right > root.clientWidth + 1
    const found = [...document.querySelectorAll('#main *')].find(each => beyond(each) && !isHeld(each.parentElement))
    found?.outerHTML.slice(0, 100) ?? (root.scrollWidth > root.clientWidth ? 'the page' : undefined)
  }`)
  const markup = await page.locator('#main :is(img, script, iframe, object, style, b, .line a)').count()
  return [
    ...(tooWide ? [`wider than the window: ${tooWide}`] : []),
    ...(markup > 0 ? ['markup from text'] : []),
  ]
}
