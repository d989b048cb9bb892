/**
 * The root of this package: the directory with package.json, migrations/ and console/, found from src/ and dist/src/
 * alike.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

function nearestPackage(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  const parent = dirname(folder)
  if (parent === folder)
    throw new Error('No package.json above the program: the installation is incomplete. Install it again.')
  return nearestPackage(parent)
}

export const packageRoot = nearestPackage(dirname(fileURLToPath(import.meta.url)))
