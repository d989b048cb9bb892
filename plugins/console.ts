/**
 * The console: GET / and the files in console/. They are public, because they hold no data: the page requests what it shows
 * with the token that its reader enters.
 */
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import fp from 'fastify-plugin'
import { packageRoot } from '../src/process/package-root.js'

const FOLDER = join(packageRoot, 'console')
const INDEX = 'index.html'

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

const HEADERS = {
  'cache-control': 'no-cache',
  // Events hold other people's input. If any of it ever got into the page as markup, it could run and load nothing.
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  // The page's address holds a token for a moment.
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // A page that opens this one in a window cannot reach into it.
  'cross-origin-opener-policy': 'same-origin',
}

export default fp(
  async app => {
    for (const name of await readdir(FOLDER)) {
      const type = CONTENT_TYPES[extname(name)]
      if (type === undefined) continue
      const content = await readFile(join(FOLDER, name))
      app.get(
        name === INDEX ? '/' : `/console/${name}`,
        { config: { access: 'public', grants: 'none' }, schema: { hide: true } },
        (request, reply) => {
          // The page links its files by relative URLs: without the last slash a browser would look one level up.
          const [path = '', query] = request.url.split('?', 2)
          if (name === INDEX && !path.endsWith('/')) {
            return reply.redirect(`${path}/${query === undefined ? '' : `?${query}`}`)
          }
          return reply.headers(HEADERS).type(type).send(content)
        },
      )
    }
  },
  { name: 'console', dependencies: ['request-caller'] },
)
