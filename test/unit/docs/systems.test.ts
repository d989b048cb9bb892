/** The tables of docs/dialects.md on the given systems: each feature names a test that exists, and each system is there. */
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { read, rows, section } from '../../harness/document.js'

const TEST = /\]\(\.\.\/(test\/[^)\s]+\.test\.ts)\)/g
const page = section(read('docs/dialects.md'), '## The given systems')

t.test('each feature of a given system names a test', async t => {
  const without = rows(page).filter(cells => cells.length !== 3 || testsOf(cells).length === 0)

  t.ok(rows(page).length > 10)
  t.strictSame(without, [])
})

// test/unit/docs/documents.test.ts checks that the named files exist.
t.test('each story of a given system is in its table', async t => {
  const folder = 'test/end-to-end/systems'
  const named = rows(page).flatMap(testsOf)
  const stories = readdirSync(join(packageRoot, folder)).filter(file => file.endsWith('.test.ts'))

  t.ok(stories.length > 0)
  t.strictSame(
    stories.filter(file => !named.includes(`${folder}/${basename(file)}`)),
    [],
  )
})

function testsOf(cells: readonly string[]): string[] {
  return [...(cells.at(-1) ?? '').matchAll(TEST)].map(([, path = '']) => path)
}
