/** What holds for all documents: their links lead somewhere, and they are of this version. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { documents, prose, read, rows } from '../../harness/document.js'

const LINK = /\]\(([^)\s]+)\)/g
const CODE = /^```[\s\S]*?^```$/gm

t.test('every relative link leads to a file, and every anchor to a heading', async t => {
  const links = documents().flatMap(from =>
    [...read(from).replace(CODE, '').matchAll(LINK)].map(([, to = '']) => ({ from, to })),
  )
  const relative = links.filter(({ to }) => !/^[a-z][a-z0-9+.-]*:/.test(to))

  const broken = relative.filter(({ from, to }) => !leadsSomewhere(from, to))

  t.ok(relative.length > 50)
  t.strictSame(
    broken.map(({ from, to }) => `${from}: ${to}`),
    [],
  )
})

t.test('the changelog has the version of the package', async t => {
  const { version } = JSON.parse(read('package.json'))

  t.match(read('CHANGELOG.md'), new RegExp(`^## ${version.replaceAll('.', '\\.')}\\b`, 'm'))
})

t.test('every document has one title', async t => {
  for (const path of documents()) t.equal(prose(read(path)).match(/^# /gm)?.length, 1, path)
})

// The index is also the sidebar of the site (docs/.vitepress/documents.mjs).
t.test('the index of the documentation has every page below docs/, once', async t => {
  const listed = rows(read('docs/README.md')).map(([page = '']) => /\]\(([^)]+)\)$/.exec(page)?.[1])
  const pages = documents('docs').map(path => path.slice('docs/'.length))

  t.strictSame(listed.toSorted(), pages.filter(path => path !== 'README.md').toSorted())
})

function leadsSomewhere(from: string, to: string): boolean {
  const [file = '', anchor] = to.split('#')
  const path = file === '' ? from : join(dirname(from), file)
  if (!existsSync(join(packageRoot, path))) return false
  return anchor === undefined || (path.endsWith('.md') && anchors(path).has(anchor))
}

/** As GitHub makes them: lower case, without punctuation, with hyphens for spaces. */
function anchors(path: string): Set<string> {
  const headings = [
    ...read(path)
      .replace(CODE, '')
      .matchAll(/^#+ (.+)$/gm),
  ].map(([, text = '']) => text)
  return new Set(
    headings.map(text =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
