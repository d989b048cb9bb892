/** Builds the page and its server with esbuild, and starts the server: `node examples/ai-chat/start.mjs` in a checkout. */
import { cp } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = new URL('./', import.meta.url)
/** Below the checkout, so that the server finds its packages. */
const output = new URL('../../.build/ai-chat/', import.meta.url)
const path = url => fileURLToPath(url)
const tsconfig = path(new URL('tsconfig.json', here))

await Promise.all([
  build({
    entryPoints: { page: path(new URL('page/page.tsx', here)) },
    outdir: path(new URL('page/', output)),
    bundle: true,
    minify: true,
    jsx: 'automatic',
    tsconfig,
    define: { 'process.env.NODE_ENV': '"production"' },
  }),
  build({
    entryPoints: ['main', 'model'].map(name => path(new URL(`server/${name}.ts`, here))),
    outdir: path(output),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['fastify', '@fastify/*'],
    tsconfig,
  }),
])
await cp(new URL('page/index.html', here), new URL('page/index.html', output))
await import(new URL('main.mjs', output).href)
