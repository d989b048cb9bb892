/**
 * `sluice key`: administers the API keys of a workspace directly on the database. It creates the first key, and
 * restores access if no admin is left; anyone with access to the database may do this. Only a new key goes to
 * standard output, so that it can be piped to its destination.
 */
import type { ApiKey, CreatedApiKey } from '../../src/auth/api-keys/api-key.js'
import { createKey, listKeys, revokeKey, rotateKey } from '../../src/auth/api-keys/api-key-administration.js'
import { changeKey } from '../../src/auth/api-keys/api-key-grants.js'
import { selectKey } from '../../src/auth/api-keys/api-key-rows.js'
import { ROLES } from '../../src/auth/principal.js'
import { wakeForAccessChange } from '../../src/auth/revocations/access-change.js'
import { roleNames } from '../../src/auth/role-names.js'
import { readConfig } from '../../src/config/config.js'
import type { Database } from '../../src/database/pool.js'
import { MAX_PAGE } from '../../src/paging/page-query.js'
import { UsageError } from '../../src/process/usage.js'
import type { Environment } from './command.js'
import { originOf, runOnDatabase, type Work } from './database-command.js'
import { importKeys } from './key-import.js'
import { readEntries } from './key-import-file.js'
import {
  endOf,
  grantsOf,
  idOf,
  nameOf,
  ONE_TOO_MANY,
  onlyThese,
  parseOptions,
  rangesOf,
  roleOf,
  secondsOf,
  type Values,
  workspaceOf,
} from './key-options.js'
import { keyTable } from './key-table.js'

const USAGE = `Usage: node dist/server/main.js key <command> [options]

Administers API keys on the database: DATABASE_URL, or the embedded Postgres of the gateway that runs on DATA_DIR.

  create --workspace NAME --role ROLE --name TEXT     create a key and print it to standard output
  list   --workspace NAME                             list the keys of a workspace, without their secrets
  rotate ID [--overlap SECONDS]                       replace a key; both keys work during the overlap (default 86400)
  change ID --grants JSON                             change the grants of a key; its open streams follow within 5 s
  revoke ID                                           end a key and its streams at once
  import FILE --workspace NAME                        import keys of another system by their hashes; - reads standard input

  --role ROLE         ${ROLES.join(', ')}
  --name TEXT         purpose of the key
  --expires TIME      2027-01-31, 2027-01-31T12:00:00Z, or a time from now: 90d, 12h, 30m (default never)
  --allow-ip RANGE    IP address or CIDR range that may use the key; may be repeated (default any address)
  --grants JSON       streams and types to which the key is limited, such as '{"subscribe":["orders/*"],"types":["order.*"]}';
                      none: no limits but the role (default)
  --help, -h          show this text

FILE holds a JSON array of keys, or one key a line:

  {"prefix":"sk_live_abc","sha256":"<64 hex digits>","role":"member","name":"CI","expires_at":"2027-01-31","allowed_ips":["203.0.113.0/24"]}

prefix is the beginning of the key, sha256 the unsalted SHA-256 of the whole key, in hex or base64. name, expires_at and
allowed_ips may be missing. JWT_ROLE_MAP and JWT_DEFAULT_ROLE give names and missing roles their role. Import only keys that
were generated at random: anybody who sees the hashes can try out short or guessable keys. Each entry is stored by itself, and
importing it again changes nothing. The outcome of each entry goes to standard output.

Exit codes: 0 done, 1 failed, or an entry was refused, 2 wrong usage.
`

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage. */
export function keyCommand(args: readonly string[], env: Environment): Promise<0 | 1 | 2> {
  const workOf = (): Work => {
    const work = workIn(args, env)
    return async database => {
      const done = await work(database)
      await wakeForAccessChange(database)
      return done
    }
  }
  return runOnDatabase({ name: 'sluice key', usage: USAGE, args, env, workOf })
}

/** All arguments are checked before the database is used. */
function workIn(args: readonly string[], env: Environment): Work {
  const { positionals, values } = parseOptions(args)
  const [command, id, ...more] = positionals
  if (more.length > 0) throw new UsageError(ONE_TOO_MANY)
  switch (command) {
    case 'create':
      return creating(values, id)
    case 'list':
      return listing(values, id)
    case 'rotate':
      return rotating(values, id)
    case 'change':
      return changing(values, id)
    case 'revoke':
      return revoking(values, id)
    case 'import':
      return importing(values, id, env)
    default:
      throw new UsageError(
        command === undefined ? 'No command given.' : `Unknown command ${JSON.stringify(command)}.`,
      )
  }
}

function creating(values: Values, id: string | undefined): Work {
  onlyThese(values, ['workspace', 'role', 'name', 'expires', 'allow-ip', 'grants'], id)
  const origin = originOf(workspaceOf(values))
  const role = roleOf(values)
  const name = nameOf(values)
  const expires_at = values.expires === undefined ? null : endOf(values.expires)
  const allowed_ips = values['allow-ip'] === undefined ? null : rangesOf(values['allow-ip'])
  const grants = values.grants === undefined ? null : grantsOf(values.grants)
  return async database => {
    const made = await createKey(database, origin, { name, role, expires_at, allowed_ips, grants })
    handOver(made, `of role ${role} in workspace ${origin.workspace}`)
  }
}

function listing(values: Values, id: string | undefined): Work {
  onlyThese(values, ['workspace'], id)
  const workspace = workspaceOf(values)
  return async database => {
    const keys: ApiKey[] = []
    let cursor: string | undefined
    do {
      const page = await listKeys(database, workspace, { limit: MAX_PAGE, cursor })
      keys.push(...page.keys)
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined)
    process.stdout.write(keyTable(keys, Date.now()))
  }
}

function rotating(values: Values, id: string | undefined): Work {
  onlyThese(values, ['overlap'])
  const key = idOf(id)
  const overlap = values.overlap === undefined ? undefined : secondsOf(values.overlap)
  return async database => {
    const origin = originOf(await workspaceOfKey(database, key))
    const made = await rotateKey(database, origin, key, overlap === undefined ? {} : { overlap })
    handOver(made, `in place of ${key}`)
  }
}

function changing(values: Values, id: string | undefined): Work {
  onlyThese(values, ['grants'])
  const key = idOf(id)
  if (values.grants === undefined) throw new UsageError('--grants is required.')
  const grants = grantsOf(values.grants)
  return async database => {
    await changeKey(database, originOf(await workspaceOfKey(database, key)), key, { grants })
    process.stderr.write(`The grants of key ${key} have changed. Its streams follow within 5 s.\n`)
  }
}

function revoking(values: Values, id: string | undefined): Work {
  onlyThese(values, [])
  const key = idOf(id)
  return async database => {
    await revokeKey(database, originOf(await workspaceOfKey(database, key)), key)
    process.stderr.write(`Key ${key} is revoked. Its streams end within 5 s.\n`)
  }
}

function importing(values: Values, file: string | undefined, env: Environment): Work {
  onlyThese(values, ['workspace'])
  if (file === undefined) throw new UsageError('Expected exactly one argument: the file with the keys, or -.')
  const origin = originOf(workspaceOf(values))
  const { JWT_ROLE_MAP, JWT_DEFAULT_ROLE } = env
  const roles = roleNames(readConfig({ JWT_ROLE_MAP, JWT_DEFAULT_ROLE }))
  return async database => await importKeys(database, origin, await readEntries(file), roles)
}

/** Only the key goes to standard output; the explanation for people goes elsewhere. */
function handOver({ key, id, expires_at }: CreatedApiKey, what: string): void {
  process.stdout.write(`${key}\n`)
  const end = expires_at === null ? 'It does not expire' : `It expires at ${expires_at}`
  process.stderr.write(
    `Key ${id} ${what}. ${end}.\nThe key is not shown again. Send it as X-API-Key, or as Authorization: Bearer <key>.\n`,
  )
}

async function workspaceOfKey(database: Database, id: string): Promise<string> {
  const key = await selectKey(database, id)
  if (!key) throw new Error(`There is no key ${id}. List the keys of a workspace with \`key list\`.`)
  return key.workspace
}
