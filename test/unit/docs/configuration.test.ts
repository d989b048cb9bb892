/**
 * docs/configuration.md: its tables are made from the schema; the page decides only which settings belong together. After a
 * change of src/config/environment.ts: `SLUICE_UPDATE_DOCS=1 npm test -- test/unit/docs/configuration.test.ts`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Environment } from '../../../src/config/environment.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { read } from '../../harness/document.js'

const PAGE = 'docs/configuration.md'
const TABLE = /(<!-- settings: (.*) -->\n)([\s\S]*?)(<!-- \/settings -->)/g
const settings = new Map<string, object>(Object.entries(Environment.properties))

t.test('the page describes every setting as the schema does, each once', async t => {
  if (process.env.SLUICE_UPDATE_DOCS === '1') {
    const updated = read(PAGE).replace(
      TABLE,
      (_, start, names, __, end) => `${start}\n${table(names.split(' '))}\n${end}`,
    )
    writeFileSync(join(packageRoot, PAGE), updated)
  }

  const tables = [...read(PAGE).matchAll(TABLE)].map(([, , names = '', text = '']) => ({
    names: names.split(' '),
    text,
  }))

  t.strictSame(tables.flatMap(({ names }) => names).sort(), [...settings.keys()].sort())
  for (const { names, text } of tables) t.equal(text.trim(), table(names).trim())
})

function table(names: readonly string[]): string {
  const rows = names.map(name => {
    const schema = settings.get(name) ?? {}
    return `| \`${name}\` | ${defaultOf(schema)} | ${descriptionOf(schema)} |\n`
  })
  return `| variable | default | description |\n|---|---|---|\n${rows.join('')}`
}

function defaultOf(schema: object): string {
  const value: unknown = Reflect.get(schema, 'default')
  if (value === undefined || value === '') return '–'
  return `\`${value}\``
}

function descriptionOf(schema: object): string {
  const description = String(Reflect.get(schema, 'description'))
  const choices: unknown = Reflect.get(schema, 'enum')
  const choice = Array.isArray(choices) ? ` One of ${choices.map(one => `\`${one}\``).join(', ')}.` : ''
  return `${description}${choice}`
}
