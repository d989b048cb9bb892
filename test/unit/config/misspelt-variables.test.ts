import t from 'tap'
import { Environment } from '../../../src/config/environment.js'
import { misspeltVariables } from '../../../src/config/misspelt-variables.js'

const KNOWN = Object.keys(Environment.properties)
const told = (...names: string[]) =>
  misspeltVariables(Object.fromEntries(names.map(name => [name, '1'])), KNOWN)

t.test('a misspelt variable is reported with the name that was meant', async t => {
  const slips = {
    RATE_LIMIT_MXA: 'RATE_LIMIT_MAX',
    RATE_LIMT_MAX: 'RATE_LIMIT_MAX',
    MAX_STREAM: 'MAX_STREAMS',
    DATABASE_ULR: 'DATABASE_URL',
    JWT_SECRETS: 'JWT_SECRET',
    jwks_url: 'JWKS_URL',
    RETENTION_DAY: 'RETENTION_DAYS',
    WORKER: 'WORKERS',
  }

  for (const [name, meant] of Object.entries(slips)) {
    t.match(told(name), [new RegExp(`^${name} is no variable .* Did you mean ${meant}\\?`)], name)
  }
})

t.test('known variables and variables of other programs are not reported', async t => {
  t.strictSame(told(...KNOWN), [])
  t.strictSame(
    told(
      'PATH',
      'HOME',
      'HOSTS',
      'HOSTNAME',
      'POST',
      'BASH',
      'BUN',
      'LANG',
      'LC_ALL',
      'TERM',
      'SHLVL',
      'TZ',
      'PWD',
      '_',
      'NODE_OPTIONS',
      'NODE_PATH',
      'NODE_ENVS',
      'NPM_TOKEN',
      'npm_config_cache',
      'PGPORT',
      'PGHOST',
      'PGDATABASE',
      'POSTGRES_PASSWORD',
      'DATABASE_PASSWORD',
      'JWT_EXPIRES_IN',
      'SLUICE_TOKEN',
      'SLUICE_URL',
      'XDG_DATA_DIRS',
      'TEST_DATABASE_URL',
      'REDIS_URL',
      'CORS_ENABLED',
      'GITHUB_ACTIONS',
      'KUBERNETES_PORT',
      'GATEWAY_MEMORY',
    ),
    [],
  )
})
