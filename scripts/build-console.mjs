// Builds the console from console/ to dist/console/, when one of its sources has changed since the last time.
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Beside the sources: the package that builds them, the libraries they use, and this script. */
const INPUTS = ['package.json', 'scripts/build-console.mjs']
/** Under one folder, whose files never change: the name of each contains a hash of its content. */
const ASSETS = 'console'

/** @param root the folder of package.json. Without Vite (`npm ci --omit=dev`) a console that is there already stays. */
export async function buildConsole(root) {
  const output = join(root, 'dist/console')
  const page = join(output, 'index.html')
  if (existsSync(page) && statSync(page).mtimeMs > newestInput(root)) return
  const vite = await import('vite').catch(() => undefined)
  if (!vite) return
  // A gateway that starts meanwhile must not read half a console.
  const unfinished = `${output}.${process.pid}`
  await vite.build({
    root: join(root, 'console'),
    configFile: false,
    logLevel: 'warn',
    // Relative, so that the console works under every prefix.
    base: './',
    publicDir: false,
    cacheDir: join(root, 'dist/.vite'),
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: unfinished,
      emptyOutDir: true,
      assetsDir: ASSETS,
      // The policy of the page allows no `data:` URL.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      target: 'es2022',
      reportCompressedSize: false,
    },
  })
  rmSync(output, { recursive: true, force: true })
  renameSync(unfinished, output)
}

function newestInput(root) {
  const sources = readdirSync(join(root, 'console'), { recursive: true, encoding: 'utf8' })
  const inputs = [...sources.map(name => join('console', name)), ...INPUTS]
  return Math.max(...inputs.map(name => statSync(join(root, name)).mtimeMs))
}
