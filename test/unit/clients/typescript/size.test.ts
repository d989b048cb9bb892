/** What a page loads for a feed, as a bundler makes it: minified, with eventsource-parser, and compressed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import t from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'

const CORE_BYTES = 6.25 * 1024
const WHOLE_BYTES = 7.5 * 1024

t.test('the core of the TypeScript client, which follows feeds, has at most 6.25 KB', async t => {
  const core = await size('export { Feed, Gateway } from "./client.ts"')
  const whole = await size('export { createClient } from "./client.ts"')

  t.comment(`core: ${core} bytes, with items, jobs and publishing: ${whole} bytes`)
  t.ok(core <= CORE_BYTES, `${core} bytes`)
  t.ok(whole <= WHOLE_BYTES, `${whole} bytes`)
})

t.test('the README states the sizes of the entries for consumers, tabs, React and AI streams', async t => {
  const tabs = await size('export { createTabClient } from "./browser/tabs/tabs.ts"')
  const worker = await size('import "./browser/tabs/worker.ts"')
  const consumers = await size(
    'export { Feed, Gateway } from "./client.ts"; export { Consumers } from "./consumers/consumers.ts"',
  )
  const react = await size('export * from "./react/react.ts"')
  const ai = await size('export * from "./ai/answers.ts"')
  const transport = await size('export * from "./ai/chat-transport.ts"')
  const store = await size('export * from "./ai/resumable/resumable-store.ts"')
  const readme = readFileSync(join(packageRoot, 'clients/typescript/README.md'), 'utf8')

  t.match(
    readme,
    `${kilobytes(tabs)} KB compressed with \`sluice-client\`, and ${kilobytes(worker)} KB of the worker`,
  )
  t.match(readme, `${kilobytes(consumers)} KB compressed with \`Feed\` and \`Gateway\``)
  t.match(readme, `${kilobytes(react)} KB compressed without it`)
  t.match(readme, `${kilobytes(ai)} KB compressed, for servers`)
  t.match(readme, `${kilobytes(transport)} KB compressed with what follows the gateway`)
  t.match(readme, `${kilobytes(store)} KB compressed, for servers too`)
})

function kilobytes(bytes: number): string {
  return (bytes / 1024).toFixed(1)
}

async function size(contents: string): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: join(packageRoot, 'clients/typescript/src'), loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: ['react'],
    write: false,
  })
  return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
}
