/** docs/clients.md against the programs that the tests in test/end-to-end/conformance/ run: their code, their libraries' versions. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { read, rows } from '../../harness/document.js'

const programs = 'conformance/clients'
/** What starts the programs for the tests is none of a reader's business. */
const NOT_SHOWN = /(^|\/)(main|Main|Hear)\.\w+$/
const CODE = /\.(mjs|js|ts|py|go|java|rs)$/
const page = read('docs/clients.md')

t.test('the page shows the code of each program, to the letter', async t => {
  const shown = new Map(
    [...page.matchAll(/\n\[`[^`\n]+`\]\(\.\.\/([^)\n]+)\):?\n\n```\w+\n([\s\S]*?)^```$/gm)].map(
      ([, path = '', code = '']) => [path, code],
    ),
  )
  const files = [programs, 'conformance/openapi'].flatMap(folder =>
    readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => CODE.test(file) && !NOT_SHOWN.test(file) && !/node_modules|target|generated/.test(file))
      .map(file => join(folder, file)),
  )

  t.strictSame([...shown.keys()].sort(), files.sort())
  for (const [path, code] of shown) t.equal(code, read(path), path)
})

t.test('the code for our own clients is that of their READMEs, which tests run', async t => {
  const head = page.slice(0, page.indexOf('## Libraries of others'))
  const shown = [...head.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code = '']) => ({
    language,
    code,
  }))
  const readmes = ['typescript', 'python', 'go'].map(folder =>
    unindented(read(`clients/${folder}/README.md`)),
  )

  t.strictSame(
    shown.map(({ language }) => language),
    ['ts', 'python', 'go'],
  )
  for (const [index, { code }] of shown.entries()) t.ok(readmes[index]?.includes(unindented(code)), code)
})

t.test('the versions in its table are the ones that are pinned', async t => {
  const manifests = [
    'javascript/package.json',
    'python/requirements.txt',
    'go/go.mod',
    'java/pom.xml',
    'rust/Cargo.lock',
  ]
  const pins = manifests.flatMap(file => pinsOf(read(join(programs, file))))
  const table = rows(page)
    .filter(cells => cells.length === 7)
    .map(([, library = '', version = '']) => `${library.replaceAll('`', '')} ${version}`)

  t.ok(table.length >= 15)
  t.strictSame(
    table.filter(row => !row.startsWith('EventSource ') && !pins.includes(row)),
    [],
  )
})

/** Go shows the inside of a function. */
function unindented(text: string): string {
  return text.replace(/^\s+/gm, '')
}

/** `name version`, however a manifest says it. */
function pinsOf(manifest: string): string[] {
  const forms = [
    /"([^"\s]+)": "(\d[^"]*)"/g,
    /^([\w-]+)==(\S+)/gm,
    /^\t(\S+) v(\S+)$/gm,
    /<artifactId>([^<]+)<\/artifactId>\s*<version>([^<]+)</g,
    /name = "([^"]+)"\nversion = "([^"]+)"/g,
  ]
  return forms.flatMap(form => [...manifest.matchAll(form)].map(([, name, version]) => `${name} ${version}`))
}
