/** A file of the console as a module of this process, for tests that need no page. */
import { join } from 'node:path'
import { build } from 'esbuild'
import { packageRoot } from '../../src/process/package-root.js'

/** @param path below console/src/, such as `stream/lines.ts`. */
export async function importConsole<Module>(path: string): Promise<Module> {
  const { outputFiles } = await build({
    entryPoints: [join(packageRoot, 'console/src', path)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
  })
  const code = Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')
  return import(`data:text/javascript;base64,${code}`)
}
