/**
 * The rules for the description of the API: those that redocly recommends, and our own, which a new route meets first. Each
 * complaint says what to do.
 */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'
import t from 'tap'
import { PROBLEM_MEDIA_TYPE } from '../../../src/problems/problem-document.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { startGateway } from '../../harness/gateway.js'

type Json = Readonly<Record<string, unknown>>
interface Operation {
  readonly name: string
  readonly operation: Json
}

const { url } = await startGateway(t)
const text = await (await fetch(`${url}/openapi.json`)).text()
const document: Json = JSON.parse(text)
const operations = Object.entries(node(document.paths)).flatMap(([path, methods]) =>
  Object.entries(node(methods)).map(
    ([method, operation]): Operation => ({
      name: `${method.toUpperCase()} ${path}`,
      operation: node(operation),
    }),
  ),
)
const tags = new Set(list(document.tags).map(({ name }) => name))
/** The ways to authenticate, of which a caller chooses one. */
const SCHEMES = ['bearer', 'key']

t.test('redocly finds nothing by its recommended rules', async t => {
  const file = join(t.testdir(), 'openapi.json')
  await writeFile(file, text)

  const { problems } = JSON.parse(await redocly(['lint', file, '--extends=recommended', '--format=json']))

  t.strictSame(
    problems.map(
      ({ ruleId, message, location }: Json) => `${ruleId}: ${message} ${JSON.stringify(location)}`,
    ),
    [],
  )
})

t.test('every operation has a name, a summary and a tag that is explained', t => {
  const complaints = operations.flatMap(({ name, operation: { operationId, summary, tags: own } }) => [
    ...unless(
      /^[a-z][A-Za-z]*$/.test(String(operationId)),
      `${name}: set schema.operationId to a verb and a noun in camelCase.`,
    ),
    ...unless(typeof summary === 'string', `${name}: set schema.summary to a short imperative sentence.`),
    ...unless(
      Array.isArray(own) && own.length === 1 && tags.has(own[0]),
      `${name}: set schema.tags to one of ${[...tags].join(', ')}, or explain a new one in plugins/openapi.ts.`,
    ),
  ])

  t.strictSame(complaints, [])
  t.end()
})

t.test('every operation says who may call it', t => {
  const complaints = operations.flatMap(({ name, operation: { security, 'x-sluice-role': role } }) => {
    const schemes = list(security).flatMap(Object.keys)
    const fits = role === undefined ? Array.isArray(security) && schemes.length === 0 : same(schemes, SCHEMES)
    return unless(fits, `${name}: set config.access to a role, or to 'public'.`)
  })

  t.strictSame(complaints, [])
  t.end()
})

t.test('every response is described, and every failure is a problem document', t => {
  const complaints = operations.flatMap(({ name, operation }) => {
    const { '4XX': refused, '5XX': failed, ...responses } = node(operation.responses)
    const contents = Object.entries(responses).flatMap(([status, response]) =>
      Object.entries(node(node(response).content)).map(([type, { schema }]) => ({ status, type, schema })),
    )
    return [
      ...unless(
        Object.keys(responses).some(status => /^[23]\d\d$/.test(status)),
        `${name}: set schema.response for the status of a success.`,
      ),
      ...Object.entries(responses)
        .filter(
          ([, { description }]) => typeof description !== 'string' || description === 'Default Response',
        )
        .map(([status]) => `${name}: give the schema of response ${status} a description.`),
      ...contents
        .filter(({ schema }) => schema === undefined)
        .map(({ status, type }) => `${name}: response ${status} as ${type} needs a schema.`),
      ...[refused, failed].flatMap(each =>
        unless(
          PROBLEM_MEDIA_TYPE in node(resolved(each).content),
          `${name}: leave 4XX and 5XX out of schema.response; every route has them.`,
        ),
      ),
    ]
  })

  t.strictSame(complaints, [])
  t.end()
})

t.test('every parameter is explained', t => {
  const complaints = operations.flatMap(({ name, operation }) =>
    list(operation.parameters)
      .filter(({ description, schema }) => (description ?? resolved(schema).description) === undefined)
      .map(
        parameter =>
          `${name}: give the schema of the ${parameter.in} parameter ${parameter.name} a description.`,
      ),
  )

  t.strictSame(complaints, [])
  t.end()
})

t.test('every request body has an example', t => {
  const complaints = operations.flatMap(({ name, operation }) =>
    Object.entries(node(node(operation.requestBody).content))
      .filter(([, { example, examples, schema }]) => !(example ?? examples) && !hasExample(schema))
      .map(
        ([type]) =>
          `${name}: give the schema of its body (${type}) \`examples: [{ … }]\`, with what a caller sends.`,
      ),
  )

  t.strictSame(complaints, [])
  t.end()
})

t.test('every schema is valid, and so are its examples', t => {
  const ajv = ajvFormats.default(new Ajv2020({ strict: false, allErrors: true }))
  ajv.addSchema({ $id: 'document', components: document.components })
  const within = (schema: Json) => JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/'))

  const complaints = schemasIn(document).flatMap(({ at, schema }) => {
    const validate = ajv.compile(within(schema))
    return list(schema.examples)
      .filter(example => !validate(example))
      .map(
        example =>
          `${at}: the example ${JSON.stringify(example)} does not fit: ${ajv.errorsText(validate.errors)}.`,
      )
  })

  t.strictSame(complaints, [])
  t.end()
})

t.test('every stream has an example', t => {
  const streams = operations.filter(({ operation }) => 'text/event-stream' in contentOf(operation))
  const complaints = streams.flatMap(({ name, operation }) =>
    unless(
      hasExample(node(contentOf(operation)['text/event-stream']).schema),
      `${name}: take its response from routes/stream-responses.ts.`,
    ),
  )

  t.ok(streams.length > 5)
  t.strictSame(complaints, [])
  t.end()
})

function contentOf(operation: Json): Record<string, Json> {
  return node(node(node(operation.responses)['200']).content)
}

function hasExample(schema: unknown): boolean {
  const { examples, oneOf, anyOf, items } = resolved(schema)
  if (Array.isArray(examples)) return true
  return [items, ...list(oneOf), ...list(anyOf)].some(each => each !== undefined && hasExample(each))
}

/** Each schema of the document that has examples, with its place. */
function schemasIn(value: unknown, at = '#'): { at: string; schema: Json }[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.entries(value).flatMap(([key, each]) =>
    key === 'examples' ? [] : schemasIn(each, `${at}/${key}`),
  )
  return 'examples' in value && Array.isArray(value.examples)
    ? [{ at, schema: node(value) }, ...inner]
    : inner
}

function resolved(value: unknown): Record<string, Json> {
  const { $ref } = node(value) as { $ref?: unknown }
  if (typeof $ref !== 'string') return node(value)
  const parts = $ref.split('/').slice(1)
  return node(parts.reduce<unknown>((inside, key) => node(inside)[key], document))
}

function unless(holds: boolean, complaint: string): string[] {
  return holds ? [] : [complaint]
}

function same(some: readonly string[], others: readonly string[]): boolean {
  return some.toSorted().join() === others.toSorted().join()
}

function node(value: unknown): Record<string, Json> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value : []
}

/** What it wrote; it fails when it has found something. */
function redocly(args: readonly string[]): Promise<string> {
  const program = join(packageRoot, 'node_modules/@redocly/cli/bin/cli.js')
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  return new Promise(resolve => {
    execFile(process.execPath, [program, ...args], { env, maxBuffer: 2 ** 24 }, (_error, stdout) =>
      resolve(stdout),
    )
  })
}
