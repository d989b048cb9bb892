import Fastify from 'fastify'
import t from 'tap'
import { describeError, logOptions } from '../../../src/logging/http-log.js'
import {
  clean,
  cleanLines,
  printable,
  printableJson,
  withoutSecrets,
  withoutTokens,
} from '../../../src/logging/redaction.js'
import { token } from '../../harness/tokens.js'

const KEY = 'slk_0123456789ab_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfG'

t.test('tokens and keys are cut out of any text', async t => {
  const jwt = token()
  const encoded = encodeURIComponent(jwt).replaceAll('.', '%2E')
  const texts: Record<string, string> = {
    [`Bearer ${jwt}`]: 'Bearer [redacted]',
    [`x\n${jwt}"`]: 'x\n[redacted]"',
    [`https://x/${jwt}?a=1`]: 'https://x/[redacted]?a=1',
    [`x.${jwt}`]: 'x.[redacted]',
    [encoded]: '[redacted]',
    [`key ${KEY}, and more`]: 'key slk_[redacted], and more',
    [KEY.replaceAll('_', '%5f')]: 'slk_[redacted]',
  }
  for (const [text, expected] of Object.entries(texts)) t.equal(withoutTokens(text), expected, text)
  for (const text of ['heyJude.txt', 'slk', 'd692de28-ec76-4126-ac5c-543f65faf1e9', 'eyJ', '']) {
    t.equal(withoutTokens(text), text)
  }
})

t.test('passwords are cut out of URLs and settings', async t => {
  t.equal(withoutSecrets('to postgres://ada:hun:t@r2@db:5432/x'), 'to postgres://ada:[redacted]@db:5432/x')
  t.equal(withoutSecrets('host=db password=hunter2 user=ada'), 'host=db password=[redacted] user=ada')
})

t.test('control characters for a terminal are escaped', async t => {
  t.equal(
    printable('a\u001b[31m\r\n\u0085\u009b\u2028\u202e\u0000ü🔩'),
    'a\\u001b[31m\\u000d\\u000a\\u0085\\u009b\\u2028\\u202e\\u0000ü🔩',
  )
  t.equal(cleanLines(`one\n\u001btwo ${token()}`), 'one\n\\u001btwo [redacted]')
  t.equal(clean(''), '')
})

t.test('a line of JSON stays one line and parses to the same value', async t => {
  const line = `${JSON.stringify({ a: 'x\u009b2J\\\u2028', b: '\u001b"' })}\n`

  const shown = printableJson(line)

  t.notMatch(shown.trimEnd(), /[\p{Cc}\p{Zl}\p{Zp}]/u)
  t.strictSame(JSON.parse(shown), { a: 'x\\u009b2J\\\\u2028', b: '\u001b"' })
})

t.test('every log line, ours or of a library, is redacted', async t => {
  const lines: string[] = []
  const app = Fastify({
    logger: { ...logOptions('trace'), stream: { write: (line: string) => void lines.push(line) } },
  })
  t.teardown(() => app.close())

  app.log.info({ headers: { authorization: `Bearer ${token()}`, 'x-api-key': KEY } }, `a\u009b ${KEY}`)
  app.log.error(new Error(`no ${token()}\u2028`))

  t.equal(lines.length, 2)
  for (const line of lines) {
    t.doesNotThrow(() => JSON.parse(line))
    t.notMatch(line, /eyJ|AbCdEf/)
    t.notMatch(line.slice(0, -1), /[\p{Cc}\p{Zl}\p{Zp}]/u)
  }
})

t.test('the value is cut out of a Postgres message about it', async t => {
  const error = Object.assign(new Error('invalid input syntax for type integer: "hunter2"'), {
    code: '22P02',
  })

  const described = describeError(error)

  t.match(described, { code: '22P02', message: 'invalid input syntax for type integer: "[redacted]"' })
  t.notMatch(JSON.stringify(described), /hunter2/)
})

t.test('redaction of untrusted text takes linear time', async t => {
  const parts = ['eyJ', 'eyJ.', 'slk_', 'slk%5f', 'a://', 'password=', '-eyJ-', '"', "'", '%2e', 'x:@']
  for (const part of parts) {
    const text = part.repeat(200_000 / part.length)
    const started = performance.now()
    clean(text)
    describeError(Object.assign(new Error(text), { code: '22P02' }))
    t.ok(performance.now() - started < 10_000, part)
  }
})
