/**
 * Configuration, by environment only. One schema: the types, the defaults, the checks, the table in the README
 * (a test holds the two together) and the remedy in every error come from it.
 */
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { proxyFaults } from '../network/trusted-proxies.js'
import { type Setting, Switch, settingFault, settingText, settingValue, Whole } from './setting.js'

const DATABASE = {
  pattern: '^postgres(ql)?://',
  form: 'a URL such as postgres://name@host:5432/database',
  secret: true,
} as const
const SECRET = {
  minLength: 32,
  form: 'at least 32 random characters, as `openssl rand -hex 32` prints them',
  secret: true,
} as const

export const Environment = Type.Object({
  NODE_ENV: Type.Enum(['development', 'test', 'production'], {
    default: 'development',
    description: '`production` refuses to start on development defaults (embedded database, generated key).',
  }),
  HOST: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on.' }),
  PORT: Whole({
    default: 8080,
    maximum: 65_535,
    description: 'Port; 0 takes a free one.',
  }),
  WORKERS: Type.Union([Type.Integer({ minimum: 1, maximum: 128 }), Type.Literal('auto')], {
    default: 1,
    description:
      'Gateway processes behind the port; `auto`: one for each processor. What is per process is per worker then.',
  }),

  DATABASE_URL: Type.Optional(
    Type.String({
      ...DATABASE,
      description:
        'The database, as `postgres://…`. Without it an embedded Postgres is started in `DATA_DIR`.',
    }),
  ),
  LISTEN_DATABASE_URL: Type.Optional(
    Type.String({
      ...DATABASE,
      description: 'A direct connection for LISTEN/NOTIFY, where `DATABASE_URL` goes through a pooler.',
    }),
  ),
  DATABASE_POOL: Whole({
    default: 10,
    minimum: 2,
    maximum: 500,
    description:
      'Connections for requests and publishing, in each process; up to 8 more are for the log, the bus and probes.',
  }),
  DATA_DIR: Type.String({ default: 'data', minLength: 1, description: 'Folder of the embedded Postgres.' }),
  PG_BIN: Type.Optional(
    Type.String({
      description: 'Folder with `initdb` and `postgres`, instead of the binaries that come by npm.',
    }),
  ),

  JWT_SECRET: Type.Optional(
    Type.String({ ...SECRET, description: 'Key for HS256 tokens, at least 32 characters.' }),
  ),
  JWT_PUBLIC_KEY: Type.Optional(
    Type.String({
      pattern: '-----BEGIN (RSA )?PUBLIC KEY-----',
      form: 'a whole public key, -----BEGIN PUBLIC KEY----- and all',
      secret: true,
      description: 'Public key (PEM) for RS256, ES256 or EdDSA tokens; `\\n` may stand for line ends.',
    }),
  ),
  JWKS_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      form: 'a URL that begins with https:// or http://',
      secret: true,
      description: 'URL of the key set; of a URL without a path, `/.well-known/jwks.json`.',
    }),
  ),
  JWT_ISSUER: Type.Optional(Type.String({ minLength: 1, description: 'Required `iss`.' })),
  JWT_AUDIENCE: Type.Optional(Type.String({ minLength: 1, description: 'Required `aud`.' })),
  JWT_WORKSPACE_CLAIM: Type.String({
    default: 'workspace',
    minLength: 1,
    description: 'Claim that holds the workspace.',
  }),
  JWT_ROLE_CLAIM: Type.String({ default: 'role', minLength: 1, description: 'Claim that holds the role.' }),
  OPERATOR_WORKSPACE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Whose admins alone may switch maintenance, which holds for all. Without it every admin may.',
    }),
  ),
  QUERY_TOKEN: Switch({ default: 'on', description: 'Whether stream routes take `?token=`.' }),

  ARTIFACTS_DIR: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Folder of the files that jobs leave behind, with a folder for each workspace. Without it there are none.',
    }),
  ),
  ARTIFACTS_SECRET: Type.Optional(
    Type.String({
      ...SECRET,
      description:
        'Key for links to these files, at least 32 characters; default: derived from the secret for tokens.',
    }),
  ),

  CORS_ORIGINS: Type.String({
    default: '',
    description: 'Exact origins of browsers that may call, separated by commas. Empty: none but the own one.',
  }),
  TRUSTED_PROXIES: Type.String({
    default: '',
    description: 'Addresses or CIDR ranges whose `X-Forwarded-For` is believed, separated by commas.',
  }),
  RATE_LIMIT_MAX: Whole({
    default: 6_000,
    description:
      'Requests a minute per principal, in all processes together; 0 switches every rate limit off.',
  }),
  RATE_LIMIT_ADDRESS_MAX: Whole({
    default: 600,
    description:
      'Requests a minute per address that prove no principal, in all processes together; 0: any number.',
  }),
  MAX_STREAMS: Whole({
    default: 25_000,
    minimum: 1,
    description: 'Open streams in this process; more get `unavailable` and come back.',
  }),
  MAX_STREAMS_PER_PRINCIPAL: Whole({
    default: 1_000,
    description:
      'Open streams of one principal in this process, long polls and claims that wait included; 0: any number.',
  }),
  MAX_STREAMS_PER_WORKSPACE: Whole({
    default: 10_000,
    description: 'The same for one workspace.',
  }),
  MAX_STREAMS_PER_ADDRESS: Whole({
    default: 2_000,
    description: 'The same for one address.',
  }),
  MAX_STORED_STREAMS_PER_WORKSPACE: Whole({
    default: 10_000,
    description:
      'Streams that a workspace may have in the database, those of jobs not counted; the same for all processes; 0: any number.',
  }),

  BUS: Type.Enum(['postgres', 'memory'], {
    default: 'postgres',
    description: '`memory` wakes only this process; other processes are found by the poll.',
  }),
  BUS_NOTIFY: Switch({
    default: 'on',
    description: '`off` sends and expects no NOTIFY: events arrive by the poll alone, every 500 ms.',
  }),

  HEARTBEAT_MS: Whole({ default: 30_000, minimum: 100, description: 'Time between heartbeats on a stream.' }),
  MAX_STREAM_AGE: Whole({
    default: 3_600,
    maximum: 2_147_483,
    description: 'Seconds after which a stream is ended and resumes, ± 10 %; 0 means never.',
  }),
  RETENTION_DAYS: Type.Number({
    default: 30,
    minimum: 0,
    maximum: 36_500,
    description: 'Days that events of open-ended streams are kept; 0 keeps them for ever.',
  }),
  JOB_RETENTION_DAYS: Type.Number({
    default: 7,
    minimum: 0,
    maximum: 36_500,
    description: 'Days that a job and its events are kept after its end; 0 keeps them for ever.',
  }),
  DRAIN_MS: Whole({
    default: 10_000,
    description: 'Longest time over which a stopping process ends its streams.',
  }),

  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'Least severe log line that is written.',
  }),
})
export type Config = Readonly<Static<typeof Environment>>

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(readonly faults: readonly string[]) {
    super(faults.join('\n'))
  }
}

/**
 * Reads and checks the environment. A variable that is empty, or nothing but spaces, counts as unset.
 * @throws {ConfigError} one line per fault: the variable, what is wrong, the remedy.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = []
  const config: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries<Setting>(Environment.properties)) {
    const text = settingText(schema, env[name])
    const value = text === undefined ? schema.default : settingValue(schema, text)
    if (value !== undefined) config[name] = value
    else if (text !== undefined) faults.push(settingFault(name, schema, text))
  }
  if (faults.length === 0 && Value.Check(Environment, config)) {
    faults.push(...contradictionsIn(config))
    if (faults.length === 0) return config
  }
  throw new ConfigError(faults)
}

function contradictionsIn(config: Config): string[] {
  const faults: string[] = []
  const keys = [config.JWT_SECRET, config.JWT_PUBLIC_KEY, config.JWKS_URL].filter(key => key !== undefined)
  if (keys.length > 1) {
    faults.push('JWT_SECRET, JWT_PUBLIC_KEY and JWKS_URL exclude each other. Set one of them.')
  }
  if (config.ARTIFACTS_DIR !== undefined && config.ARTIFACTS_SECRET === undefined && hasPublicKey(config)) {
    faults.push('ARTIFACTS_DIR needs ARTIFACTS_SECRET here: public keys prove tokens, but cannot sign links.')
  }
  faults.push(...proxyFaults(config.TRUSTED_PROXIES))
  if (config.NODE_ENV !== 'production') return faults
  if (config.DATABASE_URL === undefined) {
    faults.push('DATABASE_URL is not set. In production Sluice needs a database of yours: postgres://….')
  }
  if (keys.length === 0) {
    faults.push('No JWT key is set. In production set JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL.')
  }
  return faults
}

function hasPublicKey({ JWT_PUBLIC_KEY, JWKS_URL }: Config): boolean {
  return JWT_PUBLIC_KEY !== undefined || JWKS_URL !== undefined
}
