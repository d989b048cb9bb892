/**
 * The documentation as a site, at /guide: the files that `npm run docs` has built into docs-site/. They are public, because they
 * hold no data. Without them, /guide says how to build them: to a browser as a page, because the console links to it.
 *
 * A file is read when it is requested for the first time, so the site costs nothing at the start. It is held, of all together at most
 * HELD_BYTES, and read again when it has changed: the site may be built while the gateway runs.
 */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join, normalize, sep } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { Problem } from '../src/problems/problem.js'
import { packageRoot } from '../src/process/package-root.js'
import { contentTypeOf, HTML, IMMUTABLE, PAGE_HEADERS } from './page-files.js'

export interface GuideOptions {
  /** The folder of the site. Default: docs-site/ in the package. */
  readonly folder?: string | undefined
}

/** Stands in the files for the path of the site (docs/.vitepress/links.mjs). */
const BASE = '/sluice-guide-base/'
/** The content type of repository files to which the pages link: they are shown, never run. */
const TEXT = 'text/plain; charset=utf-8'
const PUBLIC = { config: { access: 'public', grants: 'none' }, schema: { hide: true } } as const
const ABSENT = /^(ENOENT|ENOTDIR|EISDIR|ENAMETOOLONG)$/
const NOT_BUILT =
  'The guide is not built: run `npm run docs` in a checkout of Sluice, then load this page again.'
const HELD_BYTES = 16 * 1024 * 1024

interface SiteFile {
  /** When the file was last changed, in milliseconds since 1970. */
  readonly changedAt: number
  readonly body: string | Buffer
  readonly headers: Readonly<Record<string, string>>
}

export default fp<GuideOptions>(
  async (app, { folder = join(packageRoot, 'docs-site') }) => {
    const base = `${app.prefix}/guide/`
    const held = new LRUCache<string, SiteFile>({
      maxSize: HELD_BYTES,
      sizeCalculation: ({ body }) => body.length || 1,
    })

    app.get('/guide', PUBLIC, async (request, reply) => {
      if (!(await fileAt('index.html'))) return sayNotBuilt(request, reply)
      return reply.redirect(base)
    })

    app.get('/guide/', PUBLIC, (request, reply) => answer(request, reply, ''))
    app.get<{ Params: { '*': string } }>('/guide/*', PUBLIC, (request, reply) =>
      answer(request, reply, normalize(request.params['*'])),
    )

    async function answer(request: FastifyRequest, reply: FastifyReply, path: string): Promise<FastifyReply> {
      for (const name of path.endsWith('/') || path === '' ? [`${path}index.html`] : [path, `${path}.html`]) {
        const file = await fileAt(name)
        if (file) return reply.headers(file.headers).send(file.body)
      }
      const missing = await fileAt('404.html')
      if (missing) return reply.code(404).headers(missing.headers).send(missing.body)
      return sayNotBuilt(request, reply)
    }

    /** @throws {Problem} unless a browser wants a page to show. */
    function sayNotBuilt({ headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
      if (!headers.accept?.includes('text/html')) throw new Problem(404, 'not-found', NOT_BUILT)
      const kept = { 'content-security-policy': policyOf(''), 'cache-control': 'no-store' }
      return reply
        .code(404)
        .headers({ ...PAGE_HEADERS, ...kept })
        .type(HTML)
        .send(notBuiltPage(app.prefix))
    }

    /** Undefined if there is no such file in the folder. `name` is normal: only its beginning can lead out of the folder. */
    async function fileAt(name: string): Promise<SiteFile | undefined> {
      if (name.startsWith('..') || name.startsWith(sep) || name.includes('\0')) return undefined
      const path = join(folder, name)
      try {
        const { mtimeMs } = await stat(path)
        const known = held.get(name)
        if (known?.changedAt === mtimeMs) return known
        const file = { ...asServed(name, await readFile(path)), changedAt: mtimeMs }
        held.set(name, file)
        return file
      } catch (error) {
        if (ABSENT.test(Object(error).code ?? '')) return undefined
        throw error
      }
    }

    function asServed(name: string, content: Buffer): Omit<SiteFile, 'changedAt'> {
      const type = name.startsWith('source/') ? TEXT : (contentTypeOf(name) ?? TEXT)
      const text = type.startsWith('text/') ? content.toString().replaceAll(BASE, base) : undefined
      // The name of a file in assets/ contains a hash of its content.
      const age = name.startsWith('assets/') ? IMMUTABLE : 'no-cache'
      const policy = policyOf(type === HTML ? (text ?? '') : '')
      const headers = { ...PAGE_HEADERS, 'content-security-policy': policy, 'cache-control': age }
      return { body: text ?? content, headers: { ...headers, 'content-type': type } }
    }
  },
  { name: 'guide', dependencies: ['request-caller'] },
)

/** Links by whole paths: the page may be at any depth below /guide/. */
function notBuiltPage(prefix: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Guide · Sluice</title>
<style>body { max-width: 40rem; margin: 4rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif }</style>
</head>
<body>
<main>
<h1>The guide is not built yet</h1>
<p>Run <code>npm run docs</code> in the checkout of Sluice, then load this page again. The gateway can go on meanwhile.</p>
<p>The same pages are files of the checkout, in <code>docs/</code>; begin with <code>docs/README.md</code>.</p>
<p><a href="${prefix}/docs">The API</a> · <a href="${prefix}/">The console</a></p>
</main>
</body>
</html>
`
}

/** Allows the page's own files, the scripts in its text by their hashes, and styles: the colours of code are attributes. */
function policyOf(html: string): string {
  const scripts = scriptsIn(html).map(
    script => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  )
  return [
    "default-src 'none'",
    ["script-src 'self'", ...scripts].join(' '),
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ].join('; ')
}

/** The texts of the scripts that have no file of their own. */
function scriptsIn(html: string): string[] {
  return html
    .split('<script')
    .slice(1)
    .flatMap(part => {
      const end = part.indexOf('</script>')
      const start = part.indexOf('>') + 1
      return end < start || part.slice(0, start).includes(' src=') ? [] : [part.slice(start, end)]
    })
}
