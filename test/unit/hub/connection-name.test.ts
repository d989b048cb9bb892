import { randomUUID } from 'node:crypto'
import t from 'tap'
import { isNamedBy, nameConnection, nodeOf } from '../../../src/hub/connection-name.js'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

t.test('a connection is a UUID that begins with its process, and the rest is random', async t => {
  const [here, there] = [randomUUID(), randomUUID()]
  const names = Array.from({ length: 1_000 }, () => nameConnection(here))

  t.strictSame(
    names.filter(name => !UUID.test(name) || !isNamedBy(here, name) || isNamedBy(there, name)),
    [],
  )
  t.equal(new Set(names.map(name => name.slice(9))).size, names.length)
  t.equal(nodeOf(here), names[0]?.slice(0, 8))
})
