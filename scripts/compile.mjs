// Compiles to dist/ the files that have changed since the last time: of the whole package, or with the argument `product`
// only of the gateway. First it removes the output of sources that no longer exist, or a renamed test would still run.
//
// Afterwards it removes the comments of the gateway's output, and bundles it into one file: to find and load the hundreds of files of it and of typebox takes a third of a
// start. Without esbuild there is no bundle, and the gateway loads the files one by one.
//
// It also builds the console.
//
// With the argument `client` it compiles the package of clients/typescript to its own dist/ instead, anew.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildConsole } from './build-console.mjs'
import { removeComments } from './comments.mjs'

/** The output of the compiler for `name.ts`. */
const OUTPUT = /\.(js|d\.ts)(\.map)?$/
/** The folders of the gateway, whose output the bundle and the package hold. */
const BUNDLED = ['src', 'plugins', 'routes', 'server', 'clients/typescript/src']
/** Packages whose files the bundle holds too. All others are loaded from node_modules/. */
const BUNDLED_PACKAGES = ['typebox']
/** The folder of dist/ with the files of the console, which the compiler has not made. */
const CONSOLE = 'console'
const root = fileURLToPath(new URL('..', import.meta.url))
const bundle = join(root, 'dist/server/serve.bundle.mjs')
const project = process.argv[2] === 'product' ? 'tsconfig.product.json' : 'tsconfig.tests.json'
const client = join(root, 'clients/typescript')
const manifest = createRequire(import.meta.url).resolve('typescript/package.json')

if (process.argv[2] === 'client') {
  rmSync(join(client, 'dist'), { recursive: true, force: true })
  compile('--project', client, '--noEmit', 'false')
} else {
  removeStale('')
  if (compile('--build', join(root, project))) await Promise.all([bundleGateway(), buildConsole(root)])
}

/** @returns whether it has succeeded; if not, this process fails too. */
function compile(...args) {
  const tsc = join(dirname(manifest), 'bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, ...args], { stdio: 'inherit' })
  process.exitCode = status ?? 1
  return status === 0
}

async function bundleGateway() {
  const bundled = existsSync(bundle) ? statSync(bundle).mtimeMs : 0
  const changed = inputs().filter(file => statSync(file).mtimeMs >= bundled)
  if (changed.length === 0) return
  await removeComments(changed.filter(file => file.endsWith('.js')))
  const esbuild = await import('esbuild').catch(() => undefined)
  if (!esbuild) return rmSync(bundle, { force: true })
  // A gateway that starts meanwhile must not read half a bundle.
  const unfinished = `${bundle}.${process.pid}`
  const { dependencies, devDependencies, peerDependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  const packages = Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies })
  await esbuild.build({
    entryPoints: [join(root, 'dist/server/serve.js')],
    outfile: unfinished,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: packages.filter(name => !BUNDLED_PACKAGES.includes(name)),
    logLevel: 'warning',
  })
  renameSync(unfinished, bundle)
}

/** The files of the gateway, and the list of packages. */
function inputs() {
  const outputs = BUNDLED.flatMap(folder => {
    const entries = readdirSync(join(root, 'dist', folder), { recursive: true })
    return entries.filter(name => name.endsWith('.js')).map(name => join('dist', folder, name))
  })
  return [...outputs, 'package.json'].map(file => join(root, file))
}

/** @param folder its path below the root and below dist/ alike. @returns whether it is empty now. */
function removeStale(folder) {
  const compiled = join(root, 'dist', folder)
  if (!existsSync(compiled)) return false
  const kept = readdirSync(compiled, { withFileTypes: true }).filter(entry => {
    const path = join(folder, entry.name)
    if (path === CONSOLE) return true
    if (entry.isDirectory()) return !removeStale(path)
    if (!OUTPUT.test(path) || existsSync(join(root, path.replace(OUTPUT, '.ts')))) return true
    rmSync(join(compiled, entry.name))
    return false
  })
  if (kept.length === 0) rmdirSync(compiled)
  return kept.length === 0
}
