/**
 * `sluice workspace`: exports and deletes all that a workspace has stored, directly on the database. Deleting is possible only
 * here: a stolen token of an admin must not erase a tenant.
 */
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { recordAudit } from '../../src/audit/audit.js'
import { WORKSPACE_PATTERN } from '../../src/log/event.js'
import { UsageError, usageError } from '../../src/process/usage.js'
import { deleteWorkspace } from '../../src/workspaces/workspace-deletion.js'
import { exportWorkspace } from '../../src/workspaces/workspace-export.js'
import type { Environment } from './command.js'
import { originOf, runOnDatabase, type Work } from './database-command.js'

const USAGE = `Usage: node dist/server/main.js workspace <command> NAME [options]

Exports and deletes a workspace on the database: DATABASE_URL, or the embedded Postgres of the gateway that runs on DATA_DIR.

  export NAME [--to FILE]      write everything that the workspace has stored, as lines of JSON, to standard output or a new file
  delete NAME --yes NAME       delete everything that the workspace has stored; repeat the name to confirm it

  --to FILE      a file that does not exist yet; only its owner may read it
  --yes NAME     the name of the workspace once more
  --help, -h     show this text

An export is complete if its last line is {"kind":"end","lines":N}, where N is the number of its lines. It has no secrets.

delete revokes all credentials of the workspace, waits 5 s until every gateway has noticed, and removes its rows in batches. If it
was interrupted, repeat it. It cannot be undone. A token that is still valid afterwards starts the workspace anew: first stop the
issuer of tokens and the applications that publish to the workspace.

Exit codes: 0 done, 1 failed, 2 wrong usage.
`

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage. */
export function workspaceCommand(args: readonly string[], env: Environment): Promise<0 | 1 | 2> {
  const workOf = () => workIn(args)
  return runOnDatabase({ name: 'sluice workspace', usage: USAGE, args, env, workOf })
}

/** All arguments are checked before the database is used. */
function workIn(args: readonly string[]): Work {
  const { positionals, values } = parse(args)
  const [command, workspace = '', ...more] = positionals
  if (command === undefined) throw new UsageError('No command given.')
  if (command !== 'export' && command !== 'delete') {
    throw new UsageError(`Unknown command ${JSON.stringify(command)}.`)
  }
  if (more.length > 0) throw new UsageError('Too many arguments.')
  if (!new RegExp(WORKSPACE_PATTERN).test(workspace)) {
    throw new UsageError('Expected the name of a workspace: 1 to 128 letters, digits and . _ : @ -')
  }
  const other = command === 'export' ? 'yes' : 'to'
  if (values[other] !== undefined) throw new UsageError(`--${other} is not an option of this command.`)
  if (command === 'export') return exporting(workspace, values.to)
  if (values.yes !== workspace) {
    throw new UsageError('Nothing was deleted. Repeat the name of the workspace after --yes to confirm it.')
  }
  return deleting(workspace)
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({ args: [...args], options: { to: text, yes: text }, allowPositionals: true })
  } catch (error) {
    throw usageError(error)
  }
}

function exporting(workspace: string, file: string | undefined): Work {
  return async database => {
    const target = file === undefined ? undefined : await open(file, 'wx', 0o600)
    try {
      await recordAudit(database, { ...originOf(workspace), action: 'workspace.exported', details: {} })
      const lines = await exportWorkspace(database, { workspace }, async text => {
        if (target) await target.appendFile(text)
        else if (!process.stdout.write(text)) await once(process.stdout, 'drain')
      })
      await target?.sync()
      process.stderr.write(`${lines} lines of workspace ${workspace} are exported.\n`)
      return true
    } finally {
      await target?.close()
    }
  }
}

function deleting(workspace: string): Work {
  return async database => {
    const removed = await deleteWorkspace(database, originOf(workspace))
    const rows = Object.entries(removed).map(([table, count]) => `${table} ${count}`)
    process.stdout.write(`Workspace ${workspace} is deleted. Removed rows: ${rows.join(', ')}.\n`)
    return true
  }
}
