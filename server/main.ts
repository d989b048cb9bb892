#!/usr/bin/env node
/**
 * The command line: `sluice [serve]` runs a gateway, `sluice runner` executes the commands that wait in one,
 * `sluice key` creates and revokes API keys, `sluice workspace` exports and deletes a workspace,
 * `sluice explain` says why a client got an event or did not. Each loads only what it needs: a runner has no database and no server.
 */
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'

/** The gateway as one file, which loads in less than half of the time (scripts/compile.mjs). */
const BUNDLE = new URL('./serve.bundle.mjs', import.meta.url)
/**
 * Compiled code is as trusted as its source, so it is kept beside it, not in the temporary directory that Node would choose.
 * Where this user may not write, nothing is kept.
 */
const COMPILED = fileURLToPath(new URL('../.compile-cache', import.meta.url))

// Node 22 and later.
if ('enableCompileCache' in nodeModule && typeof nodeModule.enableCompileCache === 'function') {
  nodeModule.enableCompileCache(COMPILED)
}

const [program, ...args] = process.argv.slice(2)

if (program === 'runner') {
  const { runnerProgram } = await import('../src/runner/program.js')
  process.exit(await runnerProgram(args, process.env))
} else if (program === 'key') {
  const { keyCommand } = await import('./cli/key-command.js')
  process.exitCode = await keyCommand(args, process.env)
} else if (program === 'workspace') {
  const { workspaceCommand } = await import('./cli/workspace-command.js')
  process.exitCode = await workspaceCommand(args, process.env)
} else if (program === 'explain') {
  const { explainCommand } = await import('./cli/explain-command.js')
  process.exitCode = await explainCommand(args, process.env)
} else {
  const { serve }: typeof import('./serve.js') = existsSync(BUNDLE)
    ? await import(BUNDLE.href)
    : await import('./serve.js')
  serve(program === 'serve' ? args : process.argv.slice(2))
}
