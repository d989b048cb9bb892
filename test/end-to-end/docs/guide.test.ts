/** The documentation as a site: built by the script of `npm run docs`, served under a prefix, read in Chromium. */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import type { BrowserContextOptions, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { serverOptions, sluice } from '../../../plugins/sluice.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { accessFaults, openBrowser, withoutBrowser } from '../../harness/browser.js'
import { openConsole } from '../../harness/console.js'
import { createDatabase } from '../../harness/database.js'
import { patient } from '../../harness/patience.js'
import { temporaryFolder } from '../../harness/server.js'
import { SECRET } from '../../harness/tokens.js'

const run = promisify(execFile)
const skip = withoutBrowser()
const BUILD_MS = 120_000

const folder = await temporaryFolder()
t.teardown(() => rm(folder, { recursive: true, force: true }))
const site = join(folder, 'site')

async function build(root: string, site: string): Promise<unknown> {
  const program = join(packageRoot, 'node_modules/vitepress/bin/vitepress.js')
  const env = { ...process.env, SITE_FOLDER: site }
  return run(process.execPath, [program, 'build', join(root, 'docs')], { env, timeout: patient(BUILD_MS) })
}

async function serveGuide(t: Test, guideFolder = site): Promise<string> {
  const { url: databaseUrl } = await createDatabase(t)
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(sluice, {
    ...{ prefix: '/live', databaseUrl, migrate: false, jwtSecret: SECRET, drainMs: 200, rateLimitMax: 0 },
    internals: { guideFolder },
  })
  return `${await app.listen({ host: '127.0.0.1', port: 0 })}/live/guide`
}

/** A page whose requests to other places, errors and breaches of its policy fail the test. */
async function openPage(t: Test, options: BrowserContextOptions = {}): Promise<Page> {
  const browser = await openBrowser(t)
  const page = await (await browser.newContext(options)).newPage()
  page.on('request', request => {
    const { hostname } = new URL(request.url())
    if (!request.url().startsWith('data:') && hostname !== '127.0.0.1') t.fail(request.url())
  })
  page.on('response', response => response.ok() || t.fail(`${response.status()} ${response.url()}`))
  page.on('pageerror', error => t.fail(error.message))
  page.on('console', message => message.type() === 'error' && t.fail(message.text()))
  return page
}

/** The contrast of long pages takes axe most of a minute. */
const WITHOUT_CONTRAST = { 'color-contrast': { enabled: false } }

t.test('a gateway without the site says how to build it', async t => {
  const url = await serveGuide(t, join(folder, 'nowhere'))

  for (const path of ['', '/', '/protocol']) {
    const response = await fetch(url + path)

    t.equal(response.status, 404)
    t.match(await response.json(), {
      code: 'not-found',
      detail: /^The guide is not built: run `npm run docs`/,
    })
  }
})

t.test(
  'a person who follows the link of the console to a guide that is not built reads a page',
  { skip },
  async t => {
    const url = await serveGuide(t, join(folder, 'nowhere'))
    const { page } = await openConsole(t, { url: url.replace(/\/guide$/, '') })

    const link = page.locator('nav a', { hasText: 'Guide' })
    const [answer] = await Promise.all([page.waitForResponse(/\/guide$/), link.click()])
    await page.locator('h1', { hasText: 'The guide is not built yet' }).waitFor()

    t.equal(answer.status(), 404)
    t.equal(answer.headers()['cache-control'], 'no-store')
    t.match(await page.locator('main').textContent(), 'npm run docs')
    t.strictSame(await accessFaults(page), [])
    await page.goto(`${url}/recipes/moving`)
    await page.locator('a', { hasText: 'The console' }).click()
    await page.locator('.shell').waitFor()
  },
)

t.test('the site is built', { timeout: patient(2 * BUILD_MS) }, async () => {
  await build(packageRoot, site)
})

t.test('a link to no document ends the build', { timeout: patient(BUILD_MS) }, async t => {
  const root = join(folder, 'checkout')
  await mkdir(join(root, 'docs'), { recursive: true })
  await cp(join(packageRoot, 'docs/.vitepress'), join(root, 'docs/.vitepress'), { recursive: true })
  await symlink(join(packageRoot, 'node_modules'), join(root, 'node_modules'))
  await writeFile(join(root, 'docs/README.md'), '# Index\n\n## All\n\n| page |\n|---|\n| [page](page.md) |\n')
  await writeFile(join(root, 'docs/page.md'), '# Page\n\n[Here](README.md#all), [there](other.md).\n')

  await t.rejects(build(root, join(root, 'site')), {
    message: /docs\/page\.md links to other\.md, which does not exist/,
  })
})

t.test('a link to no heading fails the end of the build', async t => {
  const config = await import(pathToFileURL(join(packageRoot, 'docs/.vitepress/config.mjs')).href)
  const outDir = join(folder, 'pages')
  const page = (anchor: string) =>
    `<h1 id="all">All</h1><a class="x" href="/sluice-guide-base/page#${anchor}">`
  await mkdir(outDir)
  const end = async (anchor: string) => {
    await writeFile(join(outDir, 'page.html'), page(anchor))
    return config.default.buildEnd({ outDir })
  }

  await end('all')
  await t.rejects(end('nowhere'), { message: 'Dead links:\npage.html: /sluice-guide-base/page#nowhere' })
})

t.test('the gateway serves the files of the site and nothing beside them', async t => {
  const url = await serveGuide(t)

  const first = await fetch(url)
  t.match([first.status, first.url, first.headers.get('content-type')], [200, `${url}/`, /^text\/html/])
  t.match(
    first.headers.get('content-security-policy'),
    /script-src 'self' 'sha256-[^ ]+' 'sha256-[^ ]+'; style-src/,
  )
  t.notMatch(await first.text(), '/sluice-guide-base/')
  const source = await fetch(`${url}/source/deploy/nginx.conf`)
  t.match(source.headers.get('content-type'), /^text\/plain/)
  t.equal(await source.text(), await readFile(join(packageRoot, 'deploy/nginx.conf'), 'utf8'))
  for (const path of [
    'nothing',
    'decisions',
    '..%2fsite%2findex.html',
    '%2e%2e%2fpackage.json',
    '%2fetc%2fpasswd',
    'a%00b',
  ]) {
    t.equal((await fetch(`${url}/${path}`)).status, 404, path)
  }
})

t.test('a page is held in memory until its file changes', async t => {
  const guideFolder = join(folder, 'small')
  await mkdir(guideFolder)
  const url = await serveGuide(t, guideFolder)
  const read = async () => (await fetch(`${url}/page`)).text()
  const write = async (text: string, changedAt: Date) => {
    const file = join(guideFolder, 'page.html')
    await writeFile(file, text)
    await utimes(file, changedAt, changedAt)
  }

  t.match(await read(), 'not built')
  await write('first', new Date(1_000))
  t.equal(await read(), 'first')
  await write('never', new Date(1_000))
  t.equal(await read(), 'first')
  await write('third', new Date(2_000))
  t.equal(await read(), 'third')
})

t.test(
  'every page loads nothing from elsewhere, keeps to its policy and satisfies axe',
  { skip },
  async t => {
    const url = await serveGuide(t)
    const page = await openPage(t)
    await page.goto(`${url}/`)
    await page.locator('.VPSidebar a').first().waitFor({ state: 'attached' })
    const links = (await page.evaluate(
      '[...document.querySelectorAll(".VPSidebar a")].map(link => link.href)',
    )) as string[]

    const faults: string[] = []
    for (const link of links) {
      await page.goto(link)
      await page.locator('main h1').waitFor()
      faults.push(...(await accessFaults(page, WITHOUT_CONTRAST)).map(fault => `${link} ${fault}`))
    }

    t.ok(links.length > 20)
    t.strictSame(faults, [])
  },
)

t.test('the site works in the dark, on a phone, with the keyboard alone', { skip }, async t => {
  const url = await serveGuide(t)
  const page = await openPage(t, {
    colorScheme: 'dark',
    viewport: { width: 360, height: 640 },
    hasTouch: true,
  })

  await page.goto(`${url}/first-steps`)
  await page.locator('html.dark').waitFor()
  t.strictSame(await accessFaults(page), [])
  const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
  t.notOk(wide, 'nothing but tables and code scrolls sideways')

  await page.keyboard.press('Control+k')
  await page.locator('.VPLocalSearchBox input').waitFor()
  await page.keyboard.type('latest values')
  await page.locator('.VPLocalSearchBox .result.selected').waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/live\/guide\/protocol(\.html)?#/)
  await page.locator('main h1').filter({ hasText: 'Protocol' }).waitFor()
})
