// npm run screenshot: takes docs/images/console.png anew, from a gateway that was started with `npm start -- --demo` a minute ago.
// The argument is the console's address that it prints, with `#token=…`. Needs Chromium: in PATH, or set CHROMIUM.
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const IMAGE = fileURLToPath(new URL('../docs/images/console.png', import.meta.url))
const [address] = process.argv.slice(2)
if (!address?.includes('#token=')) {
  console.error("Usage: npm run screenshot -- 'http://127.0.0.1:8080/#token=…'")
  process.exit(2)
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
})
const page = await browser.newPage({ viewport: { width: 1120, height: 640 }, colorScheme: 'light' })
await page.goto(address)
await page.locator('#rows > .event').nth(9).waitFor()
await page.screenshot({ path: IMAGE })
await browser.close()
console.log(IMAGE)
