/** The cache of verified tokens: how many it holds, and until when. */
import t from 'tap'
import type { Principal } from '../../../../src/auth/principal.js'
import { VerifiedTokens } from '../../../../src/auth/tokens/verified-tokens.js'
import { collectGarbage } from '../../../../src/limits/process-memory.js'

const principal = (expiresAt: number) => ({ id: 'ada', expiresAt }) as Principal

t.test('ten thousand usual tokens are remembered, and fewer of the longest', async t => {
  const tokens = new VerifiedTokens()
  const soon = principal(Date.now() + 60_000)
  const usual = Array.from({ length: 10_000 }, (_, n) => `${n}`.padEnd(300, 'x'))
  for (const token of usual) tokens.add(token, soon)

  t.ok(usual.every(token => tokens.find(token) === soon))

  const longest = Array.from({ length: 1_000 }, (_, n) => `long ${n}`.padEnd(16_384, 'x'))
  for (const token of longest) tokens.add(token, soon)
  t.equal(
    [...usual, ...longest].filter(token => tokens.find(token)).length,
    496,
    '8 MiB with their principals',
  )
})

t.test('a token that has expired is not found', async t => {
  const tokens = new VerifiedTokens()
  tokens.add('token', principal(Date.now() - 1))

  t.equal(tokens.find('token'), undefined)
})

t.test('a token does not keep the header that it was cut out of', async t => {
  const tokens = new VerifiedTokens()
  const soon = principal(Date.now() + 60_000)
  const header = (n: number) => Buffer.alloc(64 * 1024, `token-${n};`).toString('latin1')
  collectGarbage()
  const before = process.memoryUsage().heapUsed

  for (let n = 0; n < 2_000; n += 1) tokens.add(header(n).slice(0, 300), soon)

  collectGarbage()
  const grown = process.memoryUsage().heapUsed - before
  t.ok(grown < 32 * 1024 * 1024, `the headers are 125 MiB, and the heap has grown by ${grown} bytes`)
})
