/**
 * The page that a person sees first: GET / and the files in console/. Public, because it holds nothing: what it shows
 * it asks for with the token that its reader brings.
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
  // An event is somebody else's input. Should any of it ever get into the page as markup, it can run and load nothing.
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  // The page's address may hold a token for a moment.
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
        { config: { access: 'public' }, schema: { hide: true } },
        (_request, reply) => reply.headers(HEADERS).type(type).send(content),
      )
    }
  },
  { name: 'console' },
)
