/**
 * A client loads the items and follows the feed from X-Sluice-Head. That is exact only if the head and the items
 * are of the same moment: an event too few would be missed for ever, one too many would be folded in twice.
 */
import t from 'tap'
import { type Caller, type LoggedEvent, startItems } from './service.js'

const WRITERS = 4
const CHANGES = 40
const READERS = 3

/** Per part number: the revision, and how many updates the item has seen in this life. */
type State = Map<string, { revision: number; updates: number }>

interface Snapshot {
  readonly head: string
  readonly state: State
}

t.test('the state at a head, with the later events folded in, is the final state', async t => {
  const service = await startItems(t)
  const writers = Array.from({ length: WRITERS }, (_, n) => write(service.as('feed'), `W${n}`))
  let writing = true
  const readers = Array.from({ length: READERS }, async () => {
    const snapshots: Snapshot[] = []
    while (writing) snapshots.push(await load(service.as('feed', 'viewer')))
    return snapshots
  })

  await Promise.all(writers)
  writing = false
  const snapshots = (await Promise.all(readers)).flat()
  const final = await load(service.as('feed', 'viewer'))
  const feed = await service.feed('feed')

  t.equal(final.head, feed.at(-1)?.id)
  t.ok(new Set(snapshots.map(({ head }) => head)).size > 10, 'readers saw the feed at many points')
  for (const { head, state } of snapshots) {
    const seen = feed.findIndex(({ id }) => id === head) + 1
    t.same(fold(new Map(), feed.slice(0, seen)), state, `state at ${head}`)
    t.same(fold(structuredClone(state), feed.slice(seen)), final.state, `from ${head} on`)
  }
})

/** Changes items of its own, and counts each item's updates in a property. */
async function write(editor: Caller, prefix: string): Promise<void> {
  const updates = new Map<string, number>()
  for (let n = 0; n < CHANGES; n++) {
    const part_number = `${prefix}-${n % 3}`
    const path = `/api/items/${part_number}`
    const count = updates.get(part_number)
    const properties = { updates: (count ?? -1) + 1 }
    if (count === undefined) {
      await editor.post('/api/items', { part_number, description: 'd', item_type: 't', properties })
    } else if (n % 10 === 9) {
      await editor.delete(path)
    } else if (n % 2 === 0) {
      await editor.patch(path, { properties })
    } else {
      await editor.post(`${path}/revisions`, { comment: 'c', properties })
    }
    if (count !== undefined && n % 10 === 9) updates.delete(part_number)
    else updates.set(part_number, properties.updates)
  }
}

async function load(viewer: Caller): Promise<Snapshot> {
  const { headers, body } = await viewer.get('/api/items')
  const state: State = new Map()
  for (const { part_number, revision, properties } of body.items) {
    state.set(part_number, { revision, updates: Number(properties.updates) })
  }
  return { head: headers.get('x-sluice-head') ?? '', state }
}

function fold(state: State, events: readonly LoggedEvent[]): State {
  for (const { type, data } of events) {
    const partNumber = String(data.part_number)
    if (type === 'item.created') state.set(partNumber, { revision: 1, updates: 0 })
    if (type === 'item.deleted') state.delete(partNumber)
    if (type === 'item.updated') {
      const updates = (state.get(partNumber)?.updates ?? Number.NaN) + 1
      state.set(partNumber, { revision: Number(data.revision), updates })
    }
  }
  return state
}
