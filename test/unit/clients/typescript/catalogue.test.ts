/** The types of events in clients/typescript: generated from the schemas of the gateway, and narrowed by a comparison. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { AnyEvent, FeedEvent } from '../../../../clients/typescript/src/client.js'
import { CATALOGUE, catalogueText } from '../../../../scripts/client-catalogue.js'
import { packageRoot } from '../../../../src/process/package-root.js'

t.test('the catalogue of the client is what npm run catalogue writes', async t => {
  t.equal(await readFile(join(packageRoot, CATALOGUE), 'utf8'), catalogueText(), 'run npm run catalogue')
})

// The compiler is the test: an expected error that does not occur is an error.
t.test('comparing the type of an event narrows its data', async t => {
  const base = { id: '1.k7f3qa', text: '{}' }
  const any = (event: FeedEvent): string => {
    if (event.type === 'item.updated') return `${event.data.part_number} ${event.data.revision.toFixed()}`
    // @ts-expect-error: no such type.
    if (event.type === 'item.updatde') return ''
    const type: string = event.type
    return type
  }
  const selected = (event: FeedEvent<'job.*' | 'door.opened'>): string => {
    if (event.type === 'job.requeued') return event.data.reason
    if (event.type === 'door.opened') {
      // @ts-expect-error: nobody has declared its members.
      const door: number = event.data.door
      return `door ${door}`
    }
    // @ts-expect-error: the feed does not select it.
    return event.type === 'item.created' ? '' : event.type
  }
  const all: readonly AnyEvent[] = [
    { ...base, type: 'door.opened', data: { door: 7 } } satisfies FeedEvent<'door.opened'>,
  ]

  t.equal(
    any({ ...base, type: 'item.updated', data: { part_number: 'A01-0002', revision: 3 } }),
    'A01-0002 3',
  )
  t.equal(selected({ ...base, type: 'door.opened', data: { door: 7 } }), 'door 7')
  t.equal(all.length, 1)
})
