// Compiles to dist/ the files that have changed since the last time: of the whole package, or with the argument `product`
// only of the gateway. First it removes the output of sources that no longer exist, or a renamed test would still run.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The output of the compiler for `name.ts`. */
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
