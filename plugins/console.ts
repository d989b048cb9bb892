/**
 * The console: GET / and its files, which scripts/compile.mjs builds to dist/console/. They are public, because they hold no
 * data: the page requests what it shows with the credentials that its reader enters.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fp from 'fastify-plugin'
import { packageRoot } from '../src/process/package-root.js'
import { contentTypeOf, HTML, IMMUTABLE, PAGE_HEADERS } from './page-files.js'

const FOLDER = join(packageRoot, 'dist/console')
const INDEX = 'index.html'
/** The folder of the assets, whose names contain a hash of their content. */
const ASSETS = 'console'

const PUBLIC = { config: { access: 'public', grants: 'none' }, schema: { hide: true } } as const

const HEADERS = {
  ...PAGE_HEADERS,
  // Events hold other people's input. If any of it ever got into the page as markup, it could run and load nothing.
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

export default fp(
  async app => {
    const page = await readFile(join(FOLDER, INDEX))
    app.get('/', PUBLIC, (request, reply) => {
      // The page links its files by relative URLs: without the last slash a browser would look one level up.
      const [path = '', query] = request.url.split('?', 2)
      if (!path.endsWith('/')) return reply.redirect(`${path}/${query === undefined ? '' : `?${query}`}`)
      return reply
        .headers({ ...HEADERS, 'cache-control': 'no-cache' })
        .type(HTML)
        .send(page)
    })
    for (const name of await readdir(join(FOLDER, ASSETS))) {
      const content = await readFile(join(FOLDER, ASSETS, name))
      app.get(`/console/${name}`, PUBLIC, (_, reply) =>
        reply
          .headers({ ...HEADERS, 'cache-control': IMMUTABLE })
          .type(contentTypeOf(name) ?? 'application/octet-stream')
          .send(content),
      )
    }
  },
  { name: 'console', dependencies: ['request-caller'] },
)
