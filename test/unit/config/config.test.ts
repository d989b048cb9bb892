import t from 'tap'
import { ConfigError, readConfig } from '../../../src/config/config.js'

type Env = Readonly<Record<string, string>>

function faultsOf(env: Env): readonly string[] {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

t.test('an invalid value is shown with the expected form, the default and the purpose', async t => {
  t.same(faultsOf({ PORT: '0x50', QUERY_TOKEN: 'yes', RATE_LIMIT_MAX: '1.5' }), [
    'PORT is "0x50". Write a whole number from 0 to 65535, in digits; left out, it is 8080. TCP port to listen on. 0 = any free port.',
    'QUERY_TOKEN is "yes". Write on or off; left out, it is on. ' +
      'Whether stream routes accept a token as `?token=`. URLs leak into histories and logs; tickets do without it.',
    'RATE_LIMIT_MAX is "1.5". Write a whole number from 0 to 2147483647, in digits; left out, it is 6000. ' +
      'Requests per minute and principal, across all processes. 0 switches off every rate limit.',
  ])
})

t.test('a number must be in plain decimal notation', async t => {
  for (const text of ['0x50', '1e3', '1.5', '-1', '+80', '65536', '8_080', '8,080', 'true', 'NaN', '8080;']) {
    t.match(faultsOf({ PORT: text }), [`PORT is "${text}". Write a whole number from 0 to 65535`], text)
  }
  for (const text of ['-1', '1e2', '.5', '5.', 'Infinity', '30 days', '36501']) {
    t.match(
      faultsOf({ RETENTION_DAYS: text }),
      [`RETENTION_DAYS is "${text}". Write a number from 0 to`],
      text,
    )
  }
  for (const text of ['0', '129', 'AUTO', '-1', 'two', '1.5']) {
    const fault = `WORKERS is "${text}". Write a whole number from 1 to 128, in digits, or auto; left out`
    t.match(faultsOf({ WORKERS: text }), [fault], text)
  }

  t.match(readConfig({ PORT: '080', RETENTION_DAYS: '0.5', WORKERS: 'auto' }), {
    PORT: 80,
    RETENTION_DAYS: 0.5,
    WORKERS: 'auto',
  })
})

t.test('a choice must be one of the listed words, in the same case', async t => {
  for (const text of ['yes', 'true', '1', 'ON', 'no']) {
    t.match(faultsOf({ QUERY_TOKEN: text }), [`QUERY_TOKEN is "${text}". Write on or off;`], text)
  }
  t.match(faultsOf({ LOG_LEVEL: 'INFO' }), ['LOG_LEVEL is "INFO". Write one of fatal, error, warn,'])
})

// What is not quite `production` would run on an embedded database and print tokens.
t.test('a misspelt `production` does not count as development', async t => {
  for (const text of ['prod', 'Production', 'production,']) {
    t.match(
      faultsOf({ NODE_ENV: text }),
      [`NODE_ENV is "${text}". Write one of development, test, prod`],
      text,
    )
  }
})

t.test('spaces around a value are trimmed, and an empty value counts as unset', async t => {
  t.match(readConfig({ PORT: ' 80 ', BUS: 'memory\r', HOST: '  ', WORKERS: '', LOG_LEVEL: '\t' }), {
    PORT: 80,
    BUS: 'memory',
    HOST: '127.0.0.1',
    WORKERS: 1,
    LOG_LEVEL: 'info',
  })
})

t.test('a secret is used unchanged, including spaces', async t => {
  const secret = ` ${'s'.repeat(31)}`

  t.equal(readConfig({ JWT_SECRET: secret }).JWT_SECRET, secret)
  t.equal(readConfig({ JWT_SECRET: '' }).JWT_SECRET, undefined)
})

t.test('a value that may hold a secret is never shown', async t => {
  const wrong = {
    DATABASE_URL: 'mysql://ada:hunter2@db/x',
    LISTEN_DATABASE_URL: 'ada:hunter2@db',
    JWT_SECRET: 'hunter2',
    JWT_PUBLIC_KEY: '-----BEGIN PRIVATE KEY-----hunter2',
    JWT_SECRET_PREVIOUS: 'hunter2',
    JWT_PUBLIC_KEY_PREVIOUS: '-----BEGIN PRIVATE KEY-----hunter2',
    JWKS_URL: 'ada:hunter2@issuer',
    ARTIFACTS_SECRET: 'hunter2',
  }

  const faults = faultsOf(wrong)

  t.same(
    faults.map(fault => fault.split(' ')[0]),
    Object.keys(wrong),
  )
  for (const fault of faults) {
    t.notMatch(fault, 'hunter2')
    t.match(fault, /^\w+ is not of the right form; .* Write .+, or leave it out\. /)
  }
})

t.test('no value can write to the terminal, and a long one is cut', async t => {
  const [fault = ''] = faultsOf({ PORT: `\u001b[31m\u202e${'9'.repeat(10_000)}` })

  t.match(fault, /^PORT is "\\u001b\[31m\\u202e9+…"\. Write/)
  t.ok(fault.length < 300)
})

t.test('values that are valid alone but exclude each other are reported', async t => {
  const secret = 's'.repeat(32)

  t.match(faultsOf({ JWT_SECRET: secret, JWKS_URL: 'https://issuer' }), [/exclude each other\. Set one/])
  t.match(faultsOf({ JWT_SECRET_PREVIOUS: secret }), [
    /^A previous JWT key is set without the one that replaces/,
  ])
  t.match(
    faultsOf({
      JWT_SECRET: secret,
      JWT_SECRET_PREVIOUS: `${secret}p`,
      JWT_PUBLIC_KEY_PREVIOUS: '-----BEGIN PUBLIC KEY-----',
    }),
    [/^JWT_SECRET_PREVIOUS and JWT_PUBLIC_KEY_PREVIOUS exclude each other\. Set one/],
  )
  t.match(faultsOf({ JWT_SECRET: 'short', NODE_ENV: 'production' }), [/^JWT_SECRET is not/], 'one at a time')
  t.match(faultsOf({ NODE_ENV: 'production' }), [/^DATABASE_URL is not set\./, /^No JWT key is set\./])
})
