// Compiles to dist/ what has changed since the last time: the whole package, or with the argument `product` what a gateway
// needs and nothing else. First it removes from dist/ what was compiled from files that are gone, or a renamed test would
// go on running.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the compiler makes of `name.ts`. */
const OUTPUT = /\.(js|d\.ts)(\.map)?$/
const root = fileURLToPath(new URL('..', import.meta.url))
const project = process.argv[2] === 'product' ? 'tsconfig.product.json' : 'tsconfig.tests.json'

removeStale('')
const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
const tsc = join(dirname(manifest), 'bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '--build', join(root, project)], { stdio: 'inherit' })
process.exitCode = status ?? 1

/** @param folder its path below the root and below dist/ alike. @returns whether it is empty now. */
function removeStale(folder) {
  const compiled = join(root, 'dist', folder)
  if (!existsSync(compiled)) return false
  const kept = readdirSync(compiled, { withFileTypes: true }).filter(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return !removeStale(path)
    if (!OUTPUT.test(path) || existsSync(join(root, path.replace(OUTPUT, '.ts')))) return true
    rmSync(join(compiled, entry.name))
    return false
  })
  if (kept.length === 0) rmdirSync(compiled)
  return kept.length === 0
}
