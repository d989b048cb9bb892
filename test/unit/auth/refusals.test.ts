import t from 'tap'
import { challenge, tokenInvalid, tokenMissing } from '../../../src/auth/refusals.js'
import { Problem } from '../../../src/problems/problem.js'

t.test('the challenge says what was wrong with a token, and nothing when there was none', async t => {
  t.equal(challenge(tokenMissing()), 'Bearer realm="sluice"')
  t.match(
    challenge(tokenInvalid('it is not a JWT')),
    /^Bearer realm="sluice", error="invalid_token", error_description="[^"\\]+"$/,
  )
  t.match(challenge(tokenInvalid('`rôle"` is missing')), 'The token is not valid: `r?le?` is missing.')
  t.equal(challenge(new Problem(404, 'not-found', '')), undefined)
})
