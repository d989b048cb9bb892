/**
 * The README's table of settings is made from the schema. After a change of src/config/config.ts:
 * `SLUICE_UPDATE_DOCS=1 npm test -- test/unit/docs/configuration.test.ts`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Environment } from '../../../src/config/config.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { read } from '../../harness/document.js'

const PLACE = /(<!-- configuration: .*-->\n)([\s\S]*?)(<!-- \/configuration -->)/

t.test('the README lists every setting as the schema has it', async t => {
  const readme = read('README.md')
  if (process.env.SLUICE_UPDATE_DOCS === '1') {
    const updated = readme.replace(PLACE, (_, start, __, end) => `${start}\n${table()}\n${end}`)
    writeFileSync(join(packageRoot, 'README.md'), updated)
  }

  const [, , listed = ''] = PLACE.exec(read('README.md')) ?? []

  t.equal(listed.trim(), table().trim())
})

function table(): string {
  const rows = Object.entries(Environment.properties).map(
    ([name, schema]) => `| \`${name}\` | ${defaultOf(schema)} | ${descriptionOf(schema)} |\n`,
  )
  return `| variable | default | what it is |\n|---|---|---|\n${rows.join('')}`
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
