/** The version of this package. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from './package-root.js'

let version: string | undefined

/** The version in package.json, read once; empty if there is none. */
export function packageVersion(): string {
  version ??= versionIn(JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')))
  return version
}

function versionIn(manifest: unknown): string {
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : ''
}
