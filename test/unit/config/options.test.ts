import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../../../src/config/config.js'
import { Environment } from '../../../src/config/environment.js'
import { configOf, optionName, optionsOf, PROCESS_VARIABLES } from '../../../src/config/options.js'
import type { Setting } from '../../../src/config/setting.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { read } from '../../harness/document.js'

const variables = Object.entries<Setting>(Environment.properties).filter(
  ([name]) => !PROCESS_VARIABLES.some(own => own === name),
)
const [own = '', bus = '', limits = ''] = ['sluice-options', 'bus-options', 'limit-options'].map(name =>
  readFileSync(join(packageRoot, `plugins/${name}.ts`), 'utf8'),
)
const source = own + bus + limits

t.test('each variable is an option with its default in the docstring', async t => {
  for (const [name, schema] of variables) {
    const option = optionName(name)
    const [, docs] =
      new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*readonly ${option}\\?`).exec(source) ?? []

    t.ok(docs, option)
    const { default: initial } = schema
    const shown = { on: 'true', off: 'false' }[String(initial)] ?? String(initial)
    if (initial !== undefined && initial !== '') t.match(docs, shown, `${option}: the default ${shown}`)
  }
})

t.test('docs/embedding.md names each option, and each of its names is one', async t => {
  const documented = read('docs/embedding.md')
  const table = [...documented.matchAll(/^\| (`.*) \| .* \|$/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  )
  const options = [
    ...source.slice(source.indexOf('interface SluiceOptions')).matchAll(/readonly (\w+)\?/g),
  ].map(([, name = '']) => name)

  t.strictSame(
    options.filter(name => name !== 'internals' && !table.includes(name)),
    [],
  )
  t.strictSame(
    variables.filter(([name]) => !documented.includes(`\`${name}\``)),
    [],
  )
})

t.test('options and variables stand for the same configuration', async t => {
  const env = {
    DATABASE_URL: 'postgres://localhost/x',
    JWT_SECRET: 'x'.repeat(32),
    QUERY_TOKEN: 'off',
    CORS_ORIGINS: 'https://a.example,https://b.example',
    HEARTBEAT_MS: '5000',
    BUS_NOTIFY: 'on',
    JWT_ROLE_MAP: '{"owner":"admin","cn=qa,ou=web":"viewer"}',
  }
  const config = readConfig(env)

  t.strictSame(configOf(optionsOf(config)), config)
  t.match(optionsOf(config), { queryToken: false, corsOrigins: ['https://a.example', 'https://b.example'] })
  t.match(optionsOf(config), { jwtRoleMap: { owner: 'admin', 'cn=qa,ou=web': 'viewer' } })
  t.throws(() => configOf({ maxStreams: 0 }), /^maxStreams is "0"/)
  t.throws(
    () => configOf({ jwtRoleMap: { owner: 'admin', '': 'viewer' } }),
    /^jwtRoleMap: the entry "=\\"viewer\\"" is wrong/,
  )
})
