/** The application of the README, as Vite builds it: its SharedWorker is the script of the package. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fastifyStatic from '@fastify/static'
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { build } from 'vite'
import { packageRoot } from '../../../../src/process/package-root.js'
import { servePages } from '../../../harness/client-pages.js'
import { TAB_SCRIPT, Tabs } from './tabs.js'

// Below the package, whose node_modules/ has the parser.
const FOLDER = join(packageRoot, '.build/vite-application')
const PAGE =
  '<!doctype html><title>app</title><script src="/tab.js"></script><script type="module" src="/main.js"></script>'
const LOGIN = `const login = { userId: 'ada', token: async () => await (await fetch('/token')).text() }
globalThis.sluice = { createTabClient: () => client }
`
const README = join(packageRoot, 'clients/typescript/README.md')

export async function testVite(t: Test, browser: Browser): Promise<void> {
  await t.test('two tabs of an application that Vite has built share a SharedWorker', async t => {
    await rm(FOLDER, { recursive: true, force: true })
    const root = join(FOLDER, 'dist')
    for (const folder of ['public', 'dist']) await mkdir(join(FOLDER, folder), { recursive: true })
    const site = await servePages(t, app => void app.register(fastifyStatic, { root, wildcard: true }))
    const tabs = await Tabs.at(t, browser, site)
    const [, example = ''] =
      /^```js\n(.*?createTabClient.*?)^```$/ms.exec(await readFile(README, 'utf8')) ?? []
    const main = LOGIN + example.replace('https://events.example.com', tabs.gateway.url)
    await Promise.all([
      writeFile(join(FOLDER, 'index.html'), PAGE),
      writeFile(join(FOLDER, 'main.js'), main),
      copyFile(TAB_SCRIPT, join(FOLDER, 'public/tab.js')),
    ])
    const compiler = join(packageRoot, 'node_modules/typescript/bin/tsc')
    const project = join(packageRoot, 'clients/typescript')
    const client = join(FOLDER, 'client')
    const options = ['--project', project, '--noEmit', 'false', '--outDir', client]
    await promisify(execFile)(process.execPath, [compiler, ...options])
    await build({
      root: FOLDER,
      configFile: false,
      logLevel: 'error',
      resolve: { alias: { 'sluice-client/tabs': join(client, 'browser/tabs/tabs.js') } },
    })

    for (let n = 0; n < 2; n++) await tabs.open({ worker: 'default' })
    await tabs.publish(3)
    await tabs.settle('at first')

    t.strictSame(await tabs.faults(), [])
    const { targetInfos } = await tabs.profile.root.send('Target.getTargets')
    const workers = targetInfos.filter(({ type, browserContextId }) => {
      return type === 'shared_worker' && browserContextId === tabs.profile.id
    })
    t.match(
      workers.map(({ url }) => url),
      [/\/assets\/worker-[\w-]+\.js$/],
    )
    await tabs.end()
  })
}
