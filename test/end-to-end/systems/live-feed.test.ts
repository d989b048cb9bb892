/**
 * The live feed of a desktop client: its list "Database Activity", which shows each event as it happens, and its table of
 * items, which it loads once and then keeps up to date from the feed.
 */
import { type ClientRequest, request } from 'node:http'
import { EventSource } from 'eventsource'
import { createParser } from 'eventsource-parser'
import t from 'tap'
import { as } from '../../harness/gateway.js'
import { playStory, type SystemClient, send, startReports } from './story.js'

const TYPES = ['item.created', 'item.updated', 'item.deleted', 'revision.created', 'door.opened'] as const
const LAST = 'feed.closed'
const json = { ...as('editor'), 'content-type': 'application/json' }

t.test('the activity and the table of items are whole after every fault', async t => {
  await playStory(t, async ({ url, database }) => ({
    clients: {
      'a plain EventSource': () => plainEventSource(url),
      'a client with Last-Event-ID': () => ownReader(url),
      'a table of items': () => itemTable(url),
    },
    shows: (client, report) => client !== 'a table of items' || report.startsWith('item.created'),
    reports: startReports(t, async n => {
      const part = `P-${String(Math.ceil(n / 3)).padStart(5, '0')}`
      if (n % 3 === 1) return await createItem(url, part)
      if (n % 3 === 2) return await changeItem(url, part)
      await database.pool.query(`select sluice.publish('acme', 'feed', 'door.opened', $1)`, [`{"door":${n}}`])
      return `door.opened {"door":${n}}`
    }),
    async end() {
      await database.pool.query(`select sluice.publish('acme', 'feed', $1, '{}')`, [LAST])
    },
  }))
})

/** A request whose answer was lost may have been effective: then its repetition finds the part number taken. */
async function createItem(url: string, part: string): Promise<string> {
  const item = { part_number: part, description: 'Bracket', item_type: 'part' }
  const response = await send(`${url}/api/items`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify(item),
  })
  if (response.status !== 201 && response.status !== 409) throw new Error(await response.text())
  return `item.created ${JSON.stringify(item)}`
}

/** The same for a change: If-Match refuses the repetition. */
async function changeItem(url: string, part: string): Promise<string> {
  const path = `${url}/api/items/${part}`
  const { etag } = Object(await (await send(path, { headers: as('editor') })).json())
  const response = await send(path, {
    method: 'PATCH',
    headers: { ...json, 'if-match': etag },
    body: '{"description":"Bracket, galvanised"}',
  })
  if (response.status !== 200 && response.status !== 412) throw new Error(await response.text())
  return `item.updated {"part_number":"${part}","revision":1}`
}

/** The library's own reconnects. */
function plainEventSource(url: string): SystemClient {
  const seen: string[] = []
  let ended = false
  const source = new EventSource(`${url}/api/events?from=beginning`, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...as('viewer') } }),
  })
  for (const type of TYPES) source.addEventListener(type, ({ data }) => seen.push(`${type} ${data}`))
  source.addEventListener(LAST, () => {
    ended = true
  })
  return {
    seen,
    get ended() {
      return ended
    },
    close: () => source.close(),
  }
}

/** A desktop program that reads the response itself, and sends the header when it reconnects. */
function ownReader(url: string): SystemClient {
  const seen: string[] = []
  const feed = follow(`${url}/api/events?from=beginning`, undefined, (type, data) =>
    seen.push(`${type} ${data}`),
  )
  return {
    seen,
    get ended() {
      return feed.ended
    },
    close: feed.close,
  }
}

/** Loads all pages, then follows the feed from the head of the first page. A row that a later page had already is the same row. */
function itemTable(url: string): SystemClient {
  const parts = new Set<string>()
  const show = (item: unknown) => parts.add(Object(item).part_number)
  let feed: Feed | undefined
  let closed = false
  const load = async () => {
    let head: string | null = null
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await send(`${url}/api/items${cursor ? `?cursor=${cursor}` : ''}`, {
        headers: as('viewer'),
      })
      head ??= page.headers.get('x-sluice-head')
      const { items, next_cursor } = Object(await page.json())
      items.forEach(show)
      cursor = next_cursor
    }
    if (closed) return
    feed = follow(`${url}/api/events`, head ?? '0', (type, data) => {
      if (type === 'item.created') show(JSON.parse(data))
    })
  }
  void load()
  return {
    get seen() {
      return [...parts].sort().map(part => {
        const item = { part_number: part, description: 'Bracket', item_type: 'part' }
        return `item.created ${JSON.stringify(item)}`
      })
    },
    // A table that was loaded after the last event waits for nothing.
    get ended() {
      return feed !== undefined
    },
    close() {
      closed = true
      feed?.close()
    },
  }
}

interface Feed {
  readonly ended: boolean
  close(): void
}

function follow(url: string, start: string | undefined, onEvent: (type: string, data: string) => void): Feed {
  let lastId = start
  let retryMs = 1_000
  let ended = false
  let closed = false
  let open: ClientRequest | undefined
  const connect = () => {
    if (closed) return
    const headers = {
      accept: 'text/event-stream',
      ...(lastId && { 'last-event-id': lastId }),
      ...as('viewer'),
    }
    const parser = createParser({
      onEvent({ id, event = '', data }) {
        if (id) lastId = id
        if (event === LAST) ended = true
        if (TYPES.some(type => type === event)) onEvent(event, data)
      },
      onRetry: ms => {
        retryMs = ms
      },
    })
    open = request(url, { headers, agent: false }, response => {
      response
        .setEncoding('utf8')
        .on('data', text => parser.feed(text))
        .on('error', () => {})
    })
    open.on('error', () => {}).on('close', () => setTimeout(connect, retryMs))
    open.end()
  }
  connect()
  return {
    get ended() {
      return ended
    },
    close() {
      closed = true
      open?.destroy()
    },
  }
}
