/** An application that Vite has built: its SharedWorker is the script of the package. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
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
const MAIN = "import { createTabClient } from 'sluice-client/tabs'\nglobalThis.sluice = { createTabClient }\n"

export async function testVite(t: Test, browser: Browser): Promise<void> {
  await t.test('two tabs of an application that Vite has built share a SharedWorker', async t => {
    await rm(FOLDER, { recursive: true, force: true })
    await mkdir(join(FOLDER, 'public'), { recursive: true })
    await Promise.all([
      writeFile(join(FOLDER, 'index.html'), PAGE),
      writeFile(join(FOLDER, 'main.js'), MAIN),
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
    const site = await servePages(t, app => void app.register(fastifyStatic, { root: join(FOLDER, 'dist') }))

    const tabs = await Tabs.at(t, browser, site)
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
