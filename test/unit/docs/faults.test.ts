/** docs/faults.md: each test that it names exists, in the file that it names. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { read, rows } from '../../harness/document.js'

/** A link to a file of tests, and the names of tests behind it. */
const INJECTION = /\]\(\.\.\/(test\/[^)]+\.ts)\): ("[^"]+"(?:, "[^"]+")*)/g
const faults = rows(read('docs/faults.md'))

t.test('each fault has a test that injects it, or is said to be missing', async t => {
  t.ok(faults.length >= 100)
  for (const cells of faults) {
    const [fault = '', injected = ''] = cells
    t.equal(cells.length, 4, fault)
    const names = injectionsOf(injected)

    t.ok(names.length > 0 || injected.startsWith('missing'), fault)
    t.equal(injected.split('"').length - 1, 2 * names.length, `${fault}: each name is of a linked file`)
    t.equal(injected.split('](').length - 1, new Set(names.map(({ link }) => link)).size, `${fault}: links`)
  }
})

t.test('each name is that of a test in the linked file', async t => {
  const wrong = faults.flatMap(([, injected = '']) =>
    injectionsOf(injected).filter(({ path, name }) => !isIn(path, name)),
  )

  t.strictSame(wrong, [])
})

t.test('the page counts what has a test, what has one in part, and what has none', async t => {
  const injections = faults.map(([, injected = '']) => injected)
  const missing = injections.filter(text => text.startsWith('missing')).length
  const inPart = injections.filter(text => text.startsWith('in part')).length
  const whole = faults.length - missing - inPart

  const said = /Of \d+ faults .*? have none\./s.exec(read('docs/faults.md'))?.[0].replaceAll('\n', ' ')

  t.equal(
    said,
    `Of ${faults.length} faults ${whole} have a test, ${inPart} have one in part, and ${missing} have none.`,
  )
})

function injectionsOf(cell: string) {
  return [...cell.matchAll(INJECTION)].flatMap(([link, path = '', names = '']) =>
    names
      .slice(1, -1)
      .split('", "')
      .map(name => ({ link, path, name })),
  )
}

function isIn(path: string, name: string): boolean {
  return existsSync(join(packageRoot, path)) && read(path).includes(name)
}
