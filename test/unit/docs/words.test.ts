/**
 * One word per thing: the old words that docs/architecture.md lists are in no document, comment, message or name of the
 * files below. A name counts by its parts, so `accessLogOf` contains `AccessLog`.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { read, rows, section } from '../../harness/document.js'

const LIST = 'docs/architecture.md'
const OLD_WORDS = '### Old words'

const SEARCHED = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'Dockerfile',
  'docker-compose.yml',
  'bench',
  'conformance',
  'console',
  'deploy',
  'docs',
  'examples',
  'migrations',
  'plugins',
  'routes',
  'scripts',
  'server',
  'src',
  'test',
]

/** Other meanings of a listed word, as `file: word`: the holes are in a workpiece, and the audience is that of a JWT. */
const OTHER_MEANINGS = new Set([
  'docs/embedding.md: audience',
  'docs/events.md: holes',
  'plugins/sluice-options.ts: audience',
  'plugins/tokens.ts: audience',
  'server/demo.ts: hole',
  'src/auth/tokens/claim-rules.ts: audience',
  'src/auth/tokens/token.ts: audience',
  'src/items/item.ts: hole',
  'src/log/event-catalogue.ts: holes',
  'test/chaos/faults/networks.ts: hole',
  'test/chaos/faulty-proxy.ts: hole',
  'test/harness/kubernetes/control-plane.ts: audiences',
  'test/kubernetes/commands.test.ts: audiences',
  'test/integration/hardening/issuers.ts: audience',
  'test/integration/hardening/tokens.test.ts: audience',
  'test/integration/items/items.test.ts: holes',
  'test/unit/auth/tokens/token.test.ts: audience',
  'test/unit/plugins/auth.test.ts: audience',
])

/** Files with text of others, and files that the system tests generate or record; this test names old words itself. */
const NOT_OURS =
  /(^|\/)(node_modules|generated|golden|package-lock\.json|words\.test\.ts|LICENSE|unsquashed)(\/|$)|\.(png|svg|lock|sum)$/

t.test('no file uses an old word', async t => {
  const listed = rows(section(read(LIST), OLD_WORDS)).map(([word = '']) => word.replaceAll('`', ''))
  const old = new RegExp(`\\b(${listed.map(pattern).join('|')})\\b`, 'gi')

  const found = SEARCHED.flatMap(filesIn).flatMap(path =>
    [...inParts(textOf(path)).matchAll(old)]
      .map(([word]) => `${path}: ${word.replace(/\W+/g, ' ').toLowerCase()}`)
      .filter(use => !OTHER_MEANINGS.has(use)),
  )

  t.ok(listed.length > 20)
  t.strictSame([...new Set(found)].sort(), [])
})

/** A phrase may go over the end of a line, and of a comment's line. */
function pattern(word: string): string {
  return inParts(word).replaceAll(' ', '[\\s*/#-]+')
}

/** `accessLogOf` → `access~Log~Of`, so that each part has word boundaries. */
function inParts(text: string): string {
  return text.replace(/([a-z])([A-Z])/g, '$1~$2')
}

function textOf(path: string): string {
  const text = read(path)
  return path === LIST ? text.replace(section(text, OLD_WORDS), '') : text
}

function filesIn(path: string): string[] {
  if (statSync(join(packageRoot, path)).isFile()) return [path]
  return readdirSync(join(packageRoot, path), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(packageRoot.length).replace(/^\//, ''))
    .filter(file => !NOT_OURS.test(file))
}
