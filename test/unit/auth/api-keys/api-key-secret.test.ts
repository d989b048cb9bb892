import t from 'tap'
import {
  formatApiKey,
  generateApiKey,
  hashSecret,
  isSecretOf,
  parseApiKey,
} from '../../../../src/auth/api-keys/api-key-secret.js'

const ID = '0123456789ab'
const SECRET = 'a'.repeat(43)

t.test('a key is one word that is read back in one way', async t => {
  const keys = Array.from({ length: 200 }, generateApiKey)
  const texts = keys.map(formatApiKey)

  t.strictSame(
    texts.filter(text => !/^slk_[0-9a-z]{12}_[0-9A-Za-z]{43}$/.test(text)),
    [],
  )
  t.strictSame(texts.map(parseApiKey), keys)
})

t.test('no two keys share an id or a secret, and every character of the alphabet occurs', async t => {
  const keys = Array.from({ length: 500 }, generateApiKey)

  t.equal(new Set(keys.map(({ id }) => id)).size, 500)
  t.equal(new Set(keys.map(({ secret }) => secret)).size, 500)
  t.equal(new Set(keys.flatMap(({ secret }) => [...secret])).size, 62)
})

t.test('a malformed key is no key', async t => {
  for (const text of [
    '',
    'slk_',
    `slk_${ID}`,
    `slk_${ID}_`,
    `slk_${ID}_${SECRET}x`,
    `slk_${ID}_${SECRET.slice(1)}`,
    `slk_${ID}0_${SECRET}`,
    `SLK_${ID}_${SECRET}`,
    `slk_${ID.toUpperCase()}_${SECRET}`,
    `slk_${SECRET}_${ID}`,
    `slk_${ID}_${SECRET}\n`,
    ` slk_${ID}_${SECRET}`,
    `slk_${ID}__${SECRET}`,
    `slk_${ID}_${SECRET},slk_`,
    `xslk_${ID}_${SECRET}`,
    `slk_${ID}_${'é'.repeat(43)}`,
    `slk_${ID}_${SECRET.slice(1)}\u0000`,
  ]) {
    t.equal(parseApiKey(text), undefined, JSON.stringify(text))
  }
})

t.test('a secret fits its own hash, and none where there is no key', async t => {
  const { secret } = generateApiKey()

  t.ok(isSecretOf(secret, hashSecret(secret)))
  t.notOk(isSecretOf(secret, hashSecret(generateApiKey().secret)))
  t.notOk(isSecretOf(secret, undefined))
  t.equal(hashSecret(secret).length, 32)
})
