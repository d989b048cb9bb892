import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { guardedApp } from '../../harness/guarded-app.js'

t.test('the description has the role, the input and the answers of each route', async t => {
  const app = await guardedApp(t)

  const response = await app.inject('/openapi.json')

  t.equal(response.statusCode, 200)
  const document = response.json()
  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))
  t.match(document, { openapi: '3.1.0', info: { title: 'Sluice', version } })
  t.match(document.paths['/things'].post, {
    'x-sluice-role': 'editor',
    security: [{ bearer: [] }, { key: [] }],
    description: /role `editor`/,
    requestBody: { content: { 'application/json': { schema: { additionalProperties: false } } } },
    responses: {
      '4XX': { $ref: '#/components/responses/Problem' },
      '5XX': { $ref: '#/components/responses/Problem' },
    },
  })
  t.match(document.paths['/things'].get.parameters, [
    { in: 'query', name: 'limit' },
    { in: 'query', name: 'all' },
  ])
  t.match(document.paths['/open'].get, { security: [] })
  t.notHas(document.paths['/open'].get, 'x-sluice-role')
  t.match(document.components.securitySchemes, {
    bearer: { type: 'http', scheme: 'bearer' },
    key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
  })
  t.match(document.components.schemas.Problem.required, [
    'type',
    'title',
    'status',
    'code',
    'detail',
    'request_id',
  ])
})

t.test('every reference in the description leads somewhere', async t => {
  const app = await guardedApp(t)
  const { body } = await app.inject('/openapi.json')
  const document = JSON.parse(body)

  const references = [...body.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(match => match[1] ?? '')

  t.ok(references.length > 0)
  for (const reference of references) {
    t.ok(
      reference.split('/').reduce((node, key) => node?.[key], document),
      reference,
    )
  }
})

t.test('the page to read it is public and loads nothing from elsewhere', async t => {
  const app = await guardedApp(t)

  const page = await app.inject('/docs')
  const asset = await app.inject('/docs/static/swagger-ui.css')

  t.match([page.statusCode, page.headers['content-type']], [200, /^text\/html/])
  t.notMatch(page.body, /(?:src|href)="(?:https?:)?\/\//)
  t.equal(asset.statusCode, 200)
  t.strictSame(
    Object.keys((await app.inject('/openapi.json')).json().paths).filter(path => /docs|openapi/.test(path)),
    [],
  )
})
