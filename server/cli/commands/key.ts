/**
 * `sluice key`: administers the API keys of a workspace directly on the database. It creates the first key, and
 * restores access if no admin is left; anyone with access to the database may do this. Only a new key goes to
 * standard output, so that it can be piped to its destination.
 */
import type { ApiKey, CreatedApiKey } from '../../../src/auth/api-keys/api-key.js'
import {
  createKey,
  listKeys,
  revokeKey,
  rotateKey,
} from '../../../src/auth/api-keys/api-key-administration.js'
import { changeKey } from '../../../src/auth/api-keys/api-key-grants.js'
import { selectKey } from '../../../src/auth/api-keys/api-key-rows.js'
import { ROLES } from '../../../src/auth/principal.js'
import { wakeForAccessChange } from '../../../src/auth/revocations/access-change.js'
import { roleNames } from '../../../src/auth/role-names.js'
import { readConfig } from '../../../src/config/config.js'
import type { Database } from '../../../src/database/pool.js'
import { MAX_PAGE } from '../../../src/paging/page-query.js'
import { originOf, runOnDatabase, type Work } from '../database-command.js'
import { command, type Noun } from '../declaration.js'
import { importKeys } from '../key-import.js'
import { readEntries } from '../key-import-file.js'
import { endOf, grantsOf, idOf, nameOf, rangesOf, roleOf, secondsOf, workspaceOf } from '../key-options.js'
import { keyTable } from '../key-table.js'
import { type Environment, required, value, values } from '../option.js'

const EXIT_CODES = '0 done, 1 failed, 2 wrong usage'
const GRANTS = `streams and types to which the key is limited, such as '{"subscribe":["orders/*"],"types":["order.*"]}';`

const workspace = value('--workspace NAME', 'the workspace of the key', { parse: workspaceOf })
const ID = { name: 'ID', help: 'the key id, the part between the underscores' }

const createCommand = command({
  description: 'Creates a key and prints it to standard output.',
  options: {
    workspace,
    role: value('--role ROLE', ROLES.join(', '), { parse: Object.assign(roleOf, { choices: ROLES }) }),
    name: value('--name TEXT', 'purpose of the key', { parse: nameOf }),
    expires: value(
      '--expires TIME',
      '2027-01-31, 2027-01-31T12:00:00Z, or a time from now: 90d, 12h, 30m (default never)',
      { parse: endOf },
    ),
    allowIp: values(
      '--allow-ip RANGE',
      'IP address or CIDR range that may use the key (default any address)',
      range => range,
    ),
    grants: value('--grants JSON', `${GRANTS} none: no limits but the role (default)`, { parse: grantsOf }),
  },
  examples: [
    'sluice key create --workspace acme --role admin --name operations > operations.key',
    'sluice key create --workspace acme --role viewer --name wall --expires 90d --allow-ip 203.0.113.0/24',
  ],
  exitCodes: EXIT_CODES,
  run({ options, env }) {
    const { expires: expires_at = null, grants = null, allowIp } = options
    const origin = originOf(options.workspace ?? workspaceOf())
    const role = options.role ?? roleOf()
    const name = options.name ?? nameOf()
    const allowed_ips = allowIp.length === 0 ? null : rangesOf(allowIp)
    return administer(env, async database => {
      const made = await createKey(database, origin, { name, role, expires_at, allowed_ips, grants })
      handOver(made, `of role ${role} in workspace ${origin.workspace}`)
    })
  },
})

const listCommand = command({
  description: 'Lists the keys of a workspace, without their secrets.',
  options: { workspace },
  examples: ['sluice key list --workspace acme'],
  exitCodes: EXIT_CODES,
  run({ options, env }) {
    const name = options.workspace ?? workspaceOf()
    return administer(env, async database => {
      const keys: ApiKey[] = []
      let cursor: string | undefined
      do {
        const page = await listKeys(database, name, { limit: MAX_PAGE, cursor })
        keys.push(...page.keys)
        cursor = page.next_cursor ?? undefined
      } while (cursor !== undefined)
      process.stdout.write(keyTable(keys, Date.now()))
    })
  },
})

const rotateCommand = command({
  description: 'Replaces a key and prints the new one to standard output. Both keys work during the overlap.',
  args: [ID],
  options: {
    overlap: value('--overlap SECONDS', 'how long the old key works (default 86400)', { parse: secondsOf }),
  },
  examples: ['sluice key rotate 0123456789ab --overlap 3600'],
  exitCodes: EXIT_CODES,
  run({ options: { overlap }, args, env }) {
    const key = idOf(args)
    return administer(env, async database => {
      const origin = originOf(await workspaceOfKey(database, key))
      const made = await rotateKey(database, origin, key, overlap === undefined ? {} : { overlap })
      handOver(made, `in place of ${key}`)
    })
  },
})

const changeCommand = command({
  description: 'Changes the grants of a key; its open streams follow within 5 s.',
  args: [ID],
  options: {
    grants: required('--grants JSON', `${GRANTS} none: no limits but the role`, { parse: grantsOf }),
  },
  examples: [`sluice key change 0123456789ab --grants '{"subscribe":["orders/*"]}'`],
  exitCodes: EXIT_CODES,
  run({ options: { grants }, args, env }) {
    const key = idOf(args)
    return administer(env, async database => {
      await changeKey(database, originOf(await workspaceOfKey(database, key)), key, { grants })
      process.stderr.write(`The grants of key ${key} have changed. Its streams follow within 5 s.\n`)
    })
  },
})

const revokeCommand = command({
  description: 'Ends a key and its streams at once.',
  args: [ID],
  options: {},
  examples: ['sluice key revoke 0123456789ab'],
  exitCodes: EXIT_CODES,
  run({ args, env }) {
    const key = idOf(args)
    return administer(env, async database => {
      await revokeKey(database, originOf(await workspaceOfKey(database, key)), key)
      process.stderr.write(`Key ${key} is revoked. Its streams end within 5 s.\n`)
    })
  },
})

const importCommand = command({
  description: 'Imports keys of another system by their hashes.',
  args: [{ name: 'FILE', help: 'the file with the keys, or - for standard input' }],
  options: { workspace },
  examples: ['JWT_ROLE_MAP=owner=admin,member=editor sluice key import keys.jsonl --workspace acme'],
  notes: `FILE holds a JSON array of keys, or one key a line:

  {"prefix":"sk_live_abc","sha256":"<64 hex digits>","role":"member","name":"CI","expires_at":"2027-01-31","allowed_ips":["203.0.113.0/24"]}

prefix is the beginning of the key, sha256 the unsalted SHA-256 of the whole key, in hex or base64. name, expires_at and
allowed_ips may be missing. JWT_ROLE_MAP and JWT_DEFAULT_ROLE give names and missing roles their role. Import only keys that
were generated at random: anybody who sees the hashes can try out short or guessable keys. Each entry is stored by itself, and
importing it again changes nothing. The outcome of each entry goes to standard output.`,
  exitCodes: '0 done, 1 failed, or an entry was refused, 2 wrong usage',
  run({ options, args: [file = ''], env }) {
    const origin = originOf(options.workspace ?? workspaceOf())
    return administer(env, async database => {
      const { JWT_ROLE_MAP, JWT_DEFAULT_ROLE } = env
      const roles = roleNames(readConfig({ JWT_ROLE_MAP, JWT_DEFAULT_ROLE }))
      return await importKeys(database, origin, await readEntries(file), roles)
    })
  },
})

export const keyNoun: Noun = {
  description: `Administers API keys on the database: DATABASE_URL, or the embedded Postgres of the gateway that runs on DATA_DIR.`,
  commands: [
    {
      name: 'create',
      summary: 'create a key and print it (--workspace NAME --role ROLE --name TEXT)',
      load: () => createCommand,
    },
    { name: 'list', summary: 'list the keys of a workspace (--workspace NAME)', load: () => listCommand },
    { name: 'rotate', summary: 'replace a key (ID [--overlap SECONDS])', load: () => rotateCommand },
    { name: 'change', summary: 'change the grants of a key (ID --grants JSON)', load: () => changeCommand },
    { name: 'revoke', summary: 'end a key and its streams at once (ID)', load: () => revokeCommand },
    {
      name: 'import',
      summary: 'import keys of another system by their hashes (FILE --workspace NAME)',
      load: () => importCommand,
    },
  ],
  exitCodes: EXIT_CODES,
}

/** Runs a command on the database, then wakes every gateway so that it sees the change at once. */
function administer(env: Environment, work: Work): Promise<number> {
  return runOnDatabase('sluice key', env, async database => {
    const done = await work(database)
    await wakeForAccessChange(database)
    return done
  })
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
