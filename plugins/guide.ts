/**
 * The documentation as a site, at /guide: the files that `npm run docs` has built into docs-site/. They are public, because they
 * hold no data. Without them, /guide says how to build them.
 *
 * A file is read when it is requested, so the site costs nothing at the start and may be built while the gateway runs.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, normalize, sep } from 'node:path'
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { Problem } from '../src/problems/problem.js'
import { packageRoot } from '../src/process/package-root.js'
import { contentTypeOf, HTML, IMMUTABLE, PAGE_HEADERS } from './page-files.js'

export interface GuideOptions {
  /** The folder of the site. Default: docs-site/ in the package. */
  readonly folder?: string | undefined
}

/** Stands in the files for the path of the site (docs/.vitepress/links.mjs). */
const BASE = '/sluice-guide-base/'
/** Of the files of the repository to which the pages link: shown, never run. */
const TEXT = 'text/plain; charset=utf-8'
const PUBLIC = { config: { access: 'public', grants: 'none' }, schema: { hide: true } } as const
const ABSENT = /^(ENOENT|ENOTDIR|EISDIR|ENAMETOOLONG)$/

export default fp<GuideOptions>(
  async (app, { folder = join(packageRoot, 'docs-site') }) => {
    const base = `${app.prefix}/guide/`

    app.get('/guide', PUBLIC, async (_request, reply) => {
      if (!(await contentOf(folder, 'index.html'))) throw notBuilt()
      return reply.redirect(base)
    })

    app.get('/guide/', PUBLIC, (_request, reply) => answer(reply, ''))
    app.get<{ Params: { '*': string } }>('/guide/*', PUBLIC, (request, reply) =>
      answer(reply, normalize(request.params['*'])),
    )

    async function answer(reply: FastifyReply, path: string): Promise<FastifyReply> {
      for (const name of path.endsWith('/') || path === '' ? [`${path}index.html`] : [path, `${path}.html`]) {
        const content = await contentOf(folder, name)
        if (content) return send(reply, name, content)
      }
      const missing = await contentOf(folder, '404.html')
      if (missing) return send(reply.code(404), '404.html', missing)
      throw notBuilt()
    }

    function send(reply: FastifyReply, name: string, content: Buffer) {
      const type = name.startsWith('source/') ? TEXT : (contentTypeOf(name) ?? TEXT)
      const text = type.startsWith('text/') ? content.toString().replaceAll(BASE, base) : undefined
      // The name of a file in assets/ contains a hash of its content.
      const age = name.startsWith('assets/') ? IMMUTABLE : 'no-cache'
      const policy = policyOf(type === HTML ? (text ?? '') : '')
      const headers = { ...PAGE_HEADERS, 'content-security-policy': policy, 'cache-control': age }
      return reply
        .headers(headers)
        .type(type)
        .send(text ?? content)
    }
  },
  { name: 'guide', dependencies: ['request-caller'] },
)

function notBuilt(): Problem {
  const detail =
    'The guide is not built: run `npm run docs` in a checkout of Sluice, then load this page again.'
  return new Problem(404, 'not-found', detail)
}

/** Undefined if there is no such file in the folder. `path` is normal: only its beginning can lead out of the folder. */
async function contentOf(folder: string, path: string): Promise<Buffer | undefined> {
  if (path.startsWith('..') || path.startsWith(sep) || path.includes('\0')) return undefined
  return readFile(join(folder, path)).catch((error: NodeJS.ErrnoException) => {
    if (ABSENT.test(error.code ?? '')) return undefined
    throw error
  })
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
