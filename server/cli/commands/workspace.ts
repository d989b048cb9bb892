/**
 * `sluice workspace`: exports and deletes all that a workspace has stored, directly on the database. Deleting is possible only
 * here: a stolen token of an admin must not erase a tenant.
 */
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { recordAudit } from '../../../src/audit/audit.js'
import { WORKSPACE_PATTERN } from '../../../src/log/event.js'
import { UsageError } from '../../../src/process/usage.js'
import { deleteWorkspace } from '../../../src/workspaces/workspace-deletion.js'
import { exportWorkspace } from '../../../src/workspaces/workspace-export.js'
import { originOf, runOnDatabase, type Work } from '../database-command.js'
import { command, type Noun } from '../declaration.js'
import { text, value } from '../option.js'

const APPLICATION = 'sluice workspace'
const EXIT_CODES = '0 done, 1 failed, 2 wrong usage'
const NAME = { name: 'NAME', help: 'the name of a workspace', isOptional: true }

const exportCommand = command({
  description:
    'Writes everything that the workspace has stored, as lines of JSON, to standard output or a new file.',
  args: [NAME],
  options: {
    to: value('--to FILE', 'a file that does not exist yet; only its owner may read it', { parse: text }),
  },
  examples: ['sluice workspace export acme --to acme.ndjson'],
  notes:
    'An export is complete if its last line is {"kind":"end","lines":N}, where N is the number of its lines. It has no secrets.',
  exitCodes: EXIT_CODES,
  run: ({ options, args, env }) =>
    runOnDatabase(APPLICATION, env, exporting(workspaceNamed(args), options.to)),
})

const deleteCommand = command({
  description: 'Deletes everything that the workspace has stored. It cannot be undone.',
  args: [NAME],
  options: { yes: value('--yes NAME', 'the name of the workspace once more', { parse: text }) },
  examples: ['sluice workspace delete acme --yes acme'],
  notes: `It revokes all credentials of the workspace, waits 5 s until every gateway has noticed, and removes its rows in batches. If
it was interrupted, repeat it. A token that is still valid afterwards starts the workspace anew: first stop the issuer of tokens and
the applications that publish to the workspace.`,
  exitCodes: EXIT_CODES,
  run({ options, args, env }) {
    const workspace = workspaceNamed(args)
    if (options.yes === workspace) return runOnDatabase(APPLICATION, env, deleting(workspace))
    throw new UsageError('Nothing was deleted. Repeat the name of the workspace after --yes to confirm it.')
  },
})

export const workspaceNoun: Noun = {
  description: `Exports and deletes a workspace on the database: DATABASE_URL, or the embedded Postgres of the gateway that runs on
DATA_DIR.`,
  commands: [
    {
      name: 'export',
      summary: 'write all that the workspace has stored, as lines of JSON (NAME [--to FILE])',
      load: () => exportCommand,
    },
    {
      name: 'delete',
      summary: 'delete all that the workspace has stored (NAME --yes NAME)',
      load: () => deleteCommand,
    },
  ],
  exitCodes: EXIT_CODES,
}

function workspaceNamed([workspace = '']: readonly string[]): string {
  if (new RegExp(WORKSPACE_PATTERN).test(workspace)) return workspace
  throw new UsageError('Expected the name of a workspace: 1 to 128 letters, digits and . _ : @ -')
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
