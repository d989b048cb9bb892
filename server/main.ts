#!/usr/bin/env node
/**
 * The program `sluice`. Without arguments it starts a gateway at once; everything else is a command (cli/commands.ts), which loads
 * only what it needs: a runner has no database and no server.
 */
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * Compiled code is as trusted as its source, so it is kept beside it, not in the temporary directory that Node would choose.
 * Where this user may not write, nothing is kept.
 */
const COMPILED = fileURLToPath(new URL('../.compile-cache', import.meta.url))

// Node 22 and later.
if ('enableCompileCache' in nodeModule && typeof nodeModule.enableCompileCache === 'function') {
  nodeModule.enableCompileCache(COMPILED)
}

const args = process.argv.slice(2)
if (args.length === 0) {
  const { startServing } = await import('./cli/start-serving.js')
  await startServing({ demo: false })
} else {
  const [{ runProgram }, { openTerminal }] = await Promise.all([
    import('./cli/program.js'),
    import('./cli/terminal.js'),
  ])
  process.exitCode = await runProgram(args, process.env, openTerminal(process.env))
}
