/**
 * Pages that use the packages of clients/typescript, as an application serves them: their scripts bundled by esbuild, on an origin that is
 * not the gateway's, with a route that signs tokens.
 */
import { join } from 'node:path'
import { build } from 'esbuild'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { secondsFromNow, token } from './tokens.js'

export const CLIENT_SOURCES = join(packageRoot, 'clients/typescript/src')

export interface ClientPages {
  readonly origin: string
  /** How often a page has asked for a token. */
  tokens: number
  /** How long the tokens are valid that pages get from `/token`, in seconds. */
  lifetime: number
  /** The status of `/token`, for a user who has logged out. */
  status: number
}

/**
 * @param exports what the page has as the global `sluice`: a module's text, in which `src/` is the source of the client.
 * @param script runs in each page after that.
 * @param alias other packages in place of those that the exports import.
 */
export async function serveClientPages(
  t: Test,
  exports: string,
  script: string,
  alias: Readonly<Record<string, string>> = {},
): Promise<ClientPages> {
  const worker = "import './browser/tabs/worker.js'"
  const [page, workerScript] = await Promise.all([bundle(exports, alias), bundle(worker)])
  return await servePages(t, app => {
    const html = `<!doctype html><html><meta charset="utf-8"><title>client</title><link rel="icon" href="data:,"><div id="root"></div><script src="/page.js"></script><script>${script}</script>`
    app.get('/', (_request, reply) => reply.type('text/html').send(html))
    app.get('/page.js', (_request, reply) => reply.type('text/javascript').send(page))
    app.get('/worker.js', (_request, reply) => reply.type('text/javascript').send(workerScript))
  })
}

/** @param add adds the files of the site. */
export async function servePages(t: Test, add: (app: FastifyInstance) => void): Promise<ClientPages> {
  const app = Fastify()
  t.teardown(() => app.close())
  add(app)
  app.get('/token', (_request, reply) => {
    pages.tokens += 1
    return reply.code(pages.status).send(token({ exp: secondsFromNow(pages.lifetime) }))
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const pages: ClientPages = { origin, tokens: 0, lifetime: 3_600, status: 200 }
  return pages
}

/** The module as a script, whose exports are the global `sluice`. */
export async function bundle(
  contents: string,
  alias: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: CLIENT_SOURCES, loader: 'jsx' },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'sluice',
    jsx: 'automatic',
    alias: { ...alias },
    define: { 'process.env.NODE_ENV': '"development"', 'import.meta.url': 'location.href' },
  })
  return outputFiles[0]?.text ?? ''
}
