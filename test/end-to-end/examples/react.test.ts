/** examples/react as a page: compiled, checked, and run in Chromium in front of a real gateway. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import Fastify from 'fastify'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { createDatabase } from '../../harness/database.js'
import { publish } from '../../harness/gateway.js'
import { startProcess } from '../../harness/process.js'
import { token } from '../../harness/tokens.js'

const run = promisify(execFile)
const folder = join(packageRoot, 'examples/react')

t.test('the example and the hook of the package have correct types', async t => {
  const compiler = join(packageRoot, 'node_modules/typescript/bin/tsc')
  await t.resolves(run(process.execPath, [compiler, '--project', folder]))
})

t.test(
  'a component shows past and new events, once each, through an outage',
  { skip: withoutBrowser() },
  async t => {
    const { outputFiles } = await build({
      entryPoints: [join(folder, 'feed.tsx')],
      bundle: true,
      write: false,
      jsx: 'automatic',
      define: { 'process.env.NODE_ENV': '"development"' },
    })
    const app = Fastify()
    t.teardown(() => app.close())
    let page = ''
    app.get('/', (_request, reply) => reply.type('text/html').send(page))
    app.get('/feed.js', (_request, reply) => reply.type('text/javascript').send(outputFiles[0]?.text))
    const origin = await app.listen({ host: '127.0.0.1', port: 0 })
    const { url: databaseUrl } = await createDatabase(t)
    const env = { CORS_ORIGINS: origin }
    const gateway = await startProcess(t, { databaseUrl, env })
    page = `<!doctype html><body data-gateway="${gateway.url}" data-token="${token()}"><div id="feed"></div><script src="/feed.js"></script>`
    const item = (n: number) => ({ type: 'item.created', data: { n } })
    await publish(gateway, item(1))

    const tab = await (await openBrowser(t)).newPage()
    tab.on('pageerror', error => t.fail(error.message))
    await tab.goto(origin)
    const shown = () => tab.locator('li').allTextContents()
    await tab.locator('[role=status]', { hasText: 'live' }).waitFor()
    await publish(gateway, item(2))
    await tab.locator('li').nth(1).waitFor()
    await gateway.kill()
    await tab.locator('[role=status]', { hasText: 'reconnecting' }).waitFor()
    const back = await startProcess(t, { databaseUrl, env, port: gateway.port })
    await publish(back, item(3))
    await tab.locator('li').nth(2).waitFor()

    t.strictSame(
      await shown(),
      [1, 2, 3].map(n => `item.created {"n":${n}}`),
    )
  },
)
