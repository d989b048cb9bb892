import t from 'tap'
import { ApiKeyCache } from '../../../../src/auth/api-keys/api-key-cache.js'

const START = 1_000

interface Key {
  readonly version: number
}

/** A cache over keys that a test changes, and a clock that it moves. */
function cacheOf(keys: Record<string, Key>) {
  const clock = { now: START }
  const loads: string[] = []
  const gates: Promise<unknown>[] = []
  const cache = new ApiKeyCache<Key>({
    now: () => clock.now,
    async load(id) {
      loads.push(id)
      const found = keys[id]
      await gates.shift()
      return found
    },
  })
  return { cache, clock, loads, gates, keys }
}

t.test('a key is looked up once in five seconds, one that is not there too', async t => {
  const { cache, clock, loads } = cacheOf({ a: { version: 1 } })

  for (const passed of [0, 1, 4_999]) {
    clock.now = START + passed
    t.same([await cache.find('a'), await cache.find('b')], [{ version: 1 }, undefined])
  }
  t.same(loads, ['a', 'b'])

  clock.now = START + 5_001
  await cache.find('a')
  await cache.find('b')
  t.same(loads, ['a', 'b', 'a', 'b'])
})

t.test('requests that come together ask once', async t => {
  const { cache, loads } = cacheOf({ a: { version: 1 } })

  const found = await Promise.all(Array.from({ length: 50 }, () => cache.find('a')))

  t.equal(found.filter(key => key?.version === 1).length, 50)
  t.same(loads, ['a'])
})

t.test('a forgotten key is looked up again, whether it existed or not', async t => {
  const ways: ((cache: ApiKeyCache<Key>) => void)[] = [
    cache => ['a', 'b'].map(id => cache.forget(id)),
    cache => cache.forgetAll(),
  ]
  for (const forget of ways) {
    const { cache, keys } = cacheOf({ a: { version: 1 } })
    await cache.find('a')
    await cache.find('b')

    keys.a = { version: 2 }
    keys.b = { version: 1 }
    t.same([await cache.find('a'), await cache.find('b')], [{ version: 1 }, undefined])
    forget(cache)

    t.same([await cache.find('a'), await cache.find('b')], [{ version: 2 }, { version: 1 }])
  }
})

t.test('a lookup that began before its key was forgotten is not cached, however late it returns', async t => {
  const { cache, gates, keys, loads } = cacheOf({ a: { version: 1 } })
  let open = () => {}
  gates.push(
    new Promise<void>(resolve => {
      open = resolve
    }),
  )

  const early = cache.find('a')
  keys.a = { version: 2 }
  cache.forget('a')
  const late = cache.find('a')
  t.same(await late, { version: 2 }, 'who asks afterwards does not wait for the old answer')
  open()

  t.same(await early, { version: 1 })
  t.same(await cache.find('a'), { version: 2 })
  t.same(loads, ['a', 'a'])
})

t.test('a failed lookup is not cached', async t => {
  let failing = true
  const cache = new ApiKeyCache<Key>({
    now: () => START,
    async load() {
      if (failing) throw new Error('away')
      return { version: 1 }
    },
  })

  await t.rejects(Promise.all([cache.find('a'), cache.find('a')]), { message: 'away' })
  failing = false

  t.same(await cache.find('a'), { version: 1 })
})

t.test('made-up ids do not drive out keys that are in use', async t => {
  const { cache, loads } = cacheOf({ a: { version: 1 } })
  await cache.find('a')

  for (let id = 0; id < 25_000; id += 1) await cache.find(`made-up-${id}`)
  loads.length = 0
  await cache.find('a')

  t.same(loads, [])
})
