/** The options of `sluice serve`, its help and its version. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cleanLines } from '../../src/logging/redaction.js'
import { packageRoot } from '../../src/process/package-root.js'
import { usageError } from '../../src/process/usage.js'

const USAGE = `Usage: sluice [serve] [options]      (in a checkout: npm start -- [options])

Starts a Sluice gateway. Environment variables configure it; docs/configuration.md lists them.

  --demo          also play a small stream of item changes in workspace 'demo'
  --help, -h      show this
  --version, -v   show the version

Other programs, each with --help: 'sluice runner' executes commands that wait in a gateway, 'sluice key' manages API keys,
'sluice workspace' exports and deletes workspaces, 'sluice explain' says why a client got an event or did not.
`

/** Parses the options. On --help, --version or wrong usage it prints a text and ends the process. */
export function serveOptions(args: readonly string[]): { demo: boolean } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        demo: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
      },
    })
    if (values.help) leave(0, USAGE)
    if (values.version) leave(0, `sluice ${version()}\n`)
    return values
  } catch (error) {
    leave(2, `${cleanLines(usageError(error).message)}\n\n${USAGE}`)
  }
}

function leave(code: 0 | 2, text: string): never {
  ;(code === 0 ? process.stdout : process.stderr).write(text)
  process.exit(code)
}

function version(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
  return manifest.version
}
