/** Tokens of wakes: nothing but what was minted, for its use and its time, is valid. */
import t from 'tap'
import { TOKEN_SECONDS, WakeTokens } from '../../../../src/durable-streams/subscriptions/wake-tokens.js'

const OLD = 'the old secret of 32 characters and more'
const NEW = 'the new secret of 32 characters and more'
const SCOPE = { use: 'claim', uid: 7, generation: 3, workspace: 'acme' } as const

t.test('a token is valid for its scope and use until it expires', async t => {
  const tokens = new WakeTokens([OLD])
  const token = tokens.mint(SCOPE, 0)

  t.same(tokens.verify(token, 'claim', 1), SCOPE)
  t.equal(tokens.verify(token, 'callback', 1), undefined)
  t.equal(tokens.verify(token, 'claim', TOKEN_SECONDS * 1_000), undefined)
})

t.test('a secret can be replaced while its tokens are in use', async t => {
  const before = new WakeTokens([OLD])
  const during = new WakeTokens([NEW, OLD])

  t.same(during.verify(before.mint(SCOPE), 'claim'), SCOPE)
  t.equal(before.verify(during.mint(SCOPE), 'claim'), undefined)
  t.equal(new WakeTokens([NEW]).verify(before.mint(SCOPE), 'claim'), undefined)
})

t.test('every change of a single character makes it invalid', async t => {
  const tokens = new WakeTokens([OLD])
  const token = tokens.mint(SCOPE, 0)
  const other = (character: string) => (character === 'A' ? 'B' : 'A')
  // The last character of a MAC of 43 has two bits that decode to nothing.
  const forged = [...token]
    .slice(0, -1)
    .map((character, at) => token.slice(0, at) + other(character) + token.slice(at + 1))

  t.same(
    forged.filter(text => text !== token && tokens.verify(text, 'claim', 1)),
    [],
  )
})

t.test('texts that are no tokens are refused without an error', async t => {
  const tokens = new WakeTokens([OLD])
  for (const text of ['', '.', 'a.b', `${'A'.repeat(600)}.${'A'.repeat(43)}`, `YQ.${'A'.repeat(43)}`]) {
    t.equal(tokens.verify(text, 'claim'), undefined, text)
  }
})
