/** A copy of a running primary, as pg_basebackup makes it: by the functions that it uses (PostgreSQL manual, 25.3.4). */
import { execFile } from 'node:child_process'
import { chown, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { OwnPostgres } from '../harness/postgres.js'

const run = promisify(execFile)
/** What a copy must not have of the original: its processes, and what it is to itself. */
const OWN = ['postmaster.pid', 'postmaster.opts', 'standby.signal', 'backup_label']
/** cp: files that went away meanwhile. */
const MISSING = /cannot (stat|open) .*: No such file/

/** Makes the stopped server a standby of the running primary, whatever it was before, and starts it. */
export async function renewStandby(primary: OwnPostgres, standby: OwnPostgres): Promise<void> {
  for (const name of await readdir(standby.cluster))
    await rm(join(standby.cluster, name), { recursive: true, force: true })
  const client = new pg.Client(primary.url)
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(`select pg_backup_start('standby', true)`)
    await copy(primary.cluster, standby.cluster)
    const { rows } = await client.query('select labelfile from pg_backup_stop(false)')
    for (const name of OWN) await rm(join(standby.cluster, name), { force: true })
    const label = join(standby.cluster, 'backup_label')
    await writeFile(label, rows[0].labelfile)
    const { uid, gid } = await stat(standby.cluster)
    await chown(label, uid, gid)
  } finally {
    await client.end()
  }
  await standby.demote()
  await standby.start()
}

async function copy(from: string, to: string): Promise<void> {
  await run('cp', ['-a', `${from}/.`, to], { env: { LC_ALL: 'C' } }).catch(error => {
    const complaints = String(error.stderr).trim().split('\n')
    if (!complaints.every(line => MISSING.test(line))) throw error
  })
}
