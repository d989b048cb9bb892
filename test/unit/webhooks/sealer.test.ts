/** What is sealed opens only where it belongs, and only for a gateway that has the key. */
import t from 'tap'
import { Sealer } from '../../../src/webhooks/sealer.js'

const OLD = 'the old key of at least thirty-two characters'
const NEW = 'the new key of at least thirty-two characters'

t.test('a text opens again, is not in the seal, and is sealed differently each time', async t => {
  const sealer = new Sealer([NEW])

  const [one, other] = [sealer.seal('hidden', 'place'), sealer.seal('hidden', 'place')]

  t.equal(sealer.open(one, 'place'), 'hidden')
  t.notOk(one.bytes.includes('hidden'))
  t.notSame(one.bytes, other.bytes)
  t.notOk(one.keyId.includes(NEW.slice(0, 4)))
})

t.test('at another place, changed, cut off or without its key it does not open', async t => {
  const sealer = new Sealer([NEW])
  const { keyId, bytes } = sealer.seal('hidden', 'place')
  const changed = Buffer.from(bytes)
  changed.writeUInt8(changed.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)

  t.strictSame(
    [
      sealer.open({ keyId, bytes }, 'another place'),
      sealer.open({ keyId, bytes: changed }, 'place'),
      sealer.open({ keyId, bytes: bytes.subarray(0, 20) }, 'place'),
      new Sealer([OLD]).open({ keyId, bytes }, 'place'),
    ],
    [undefined, undefined, undefined, undefined],
  )
})

t.test('the first key seals, and all open', async t => {
  const before = new Sealer([OLD])
  const during = new Sealer([NEW, OLD])
  const after = new Sealer([NEW])

  const old = before.seal('hidden', 'place')
  const anew = during.seal('hidden', 'place')

  t.strictSame([during.open(old, 'place'), after.open(old, 'place')], ['hidden', undefined])
  t.strictSame([during.open(anew, 'place'), after.open(anew, 'place')], ['hidden', 'hidden'])
  t.equal(anew.keyId, after.keyId)
})
