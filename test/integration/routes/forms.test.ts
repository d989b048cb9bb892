/** A text that a pattern refuses is answered in words: nobody should have to read a regular expression to correct a request. */
import t from 'tap'
import { FORM } from '../../../src/openapi/described.js'
import { as } from '../../harness/gateway.js'
import { gatewayWithRoutes } from '../../harness/routes.js'

const PARTS = ['body', 'querystring', 'params', 'headers'] as const

t.test('every pattern of a request has its form in words', async t => {
  const { routes } = await gatewayWithRoutes(t)

  const wordless = routes.flatMap(({ method, url, schema }) =>
    PARTS.flatMap(part => patternsIn(Object(schema)[part])).map(pattern => `${method} ${url} ${pattern}`),
  )

  t.strictSame([...new Set(wordless)], [])
})

t.test('an id of the wrong format is answered with an example', async t => {
  const { url } = await gatewayWithRoutes(t)
  const detail = async (path: string) =>
    (await (await fetch(url + path, { headers: as('admin') })).json()) as { detail: string }

  t.match(await detail('/api/webhooks/nope'), {
    detail: /^path\/id must be a UUID, such as [0-9a-f-]{36}\.$/,
  })
  t.match(await detail('/api/consumers/a%20b'), { detail: 'path/name must be 1 to 100 characters of A-Z' })
})

/** The patterns without words. */
function patternsIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const { pattern, type } = schema as { readonly pattern?: unknown; readonly type?: unknown }
  const own = type === 'string' && typeof pattern === 'string' && !(FORM in schema) ? [pattern] : []
  return [...own, ...Object.values(schema).flatMap(patternsIn)]
}
