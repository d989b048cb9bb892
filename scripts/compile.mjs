// Compiles to dist/ what has changed since the last time, which takes seconds, or finds that nothing has, which takes none.
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = join(root, 'dist/.compiled')
const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))

/** Of a folder too: it changes when a file in it is renamed or removed. */
function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function newest(folder) {
  const entries = readdirSync(folder, { recursive: true })
  return Math.max(changedAt(folder), ...entries.map(entry => changedAt(join(folder, entry))))
}

// An image is built without the tests.
const folders = include.map(folder => join(root, folder)).filter(existsSync)
const sources = [...folders.map(newest), changedAt(join(root, 'tsconfig.json'))]
if (Math.max(...sources, changedAt(join(root, 'package-lock.json'))) >= changedAt(stamp)) {
  // What changes while it compiles is newer than this.
  const begun = new Date()
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
  const tsc = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin.tsc)
  const { status } = spawnSync(process.execPath, [tsc, '--project', root], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
  mkdirSync(dirname(stamp), { recursive: true })
  closeSync(openSync(stamp, 'a'))
  utimesSync(stamp, begun, begun)
}
