/** The catalogue of built-in events and notices is sound, and the documents and the console say the same. */

import t from 'tap'
import Value from 'typebox/value'
import { ENDED } from '../../../src/jobs/job.js'
import type { Entry, EventEntry, NoticeEntry } from '../../../src/log/catalogue-entry.js'
import { EVENT_TYPE_PATTERN } from '../../../src/log/event.js'
import { EVENTS, RESERVED_PREFIX, RESERVED_TYPES } from '../../../src/log/event-catalogue.js'
import { NOTICES } from '../../../src/log/notice-catalogue.js'
import { importConsole } from '../../harness/console-module.js'
import { read, rows, section } from '../../harness/document.js'

const STREAMS = { feed: 'the feed', job: "the job's", other: 'every other' }
const events = Object.entries<EventEntry>(EVENTS)
const notices = Object.entries<NoticeEntry>(NOTICES)

t.test('every entry has a legal type, and its example satisfies its schema', async t => {
  for (const [type, { data, example }] of [...events, ...notices]) {
    t.match(type, new RegExp(EVENT_TYPE_PATTERN))
    t.ok(Value.Check(data, example), type)
  }
})

t.test(
  'an event has a reserved type only if it says so, and every event about a job has its prefix',
  async t => {
    for (const [type, { room, reserved }] of events) {
      t.equal(RESERVED_TYPES.has(type), reserved === true, type)
      t.equal(room === 'jobs', type.startsWith(RESERVED_PREFIX), type)
    }
    for (const status of ENDED) t.hasOwnProp(EVENTS, `${RESERVED_PREFIX}${status}`)
  },
)

t.test('docs/events.md shows the catalogue', async t => {
  const page = read('docs/events.md')

  t.strictSame(
    rows(section(page, '## Events')),
    events.map(([type, entry]) => [
      code(type),
      entry.streams.map(stream => STREAMS[stream]).join(', '),
      ...cells(entry),
    ]),
  )
  t.strictSame(
    rows(section(page, '## Notices')),
    notices.map(([name, entry]) => [code(name), ...cells(entry)]),
  )
})

t.test('the console has a sentence for every event about an item', async t => {
  const { sentenceOf } = await importConsole<{ sentenceOf(type: string, data: object): object }>(
    'pages/feed/sentence.ts',
  )

  for (const [type, { room, example }] of events.filter(([, { room }]) => room === 'items')) {
    t.match(sentenceOf(type, example), { part: example.part_number, raw: false }, `${room}: ${type}`)
  }
})

function cells({ when, data, example }: Entry): string[] {
  const required: readonly string[] = data.required ?? []
  const members = Object.keys(data.properties).map(name => (required.includes(name) ? name : `${name}?`))
  return [when, code(`{${members.join(', ')}}`), code(JSON.stringify(example))]
}

function code(text: string): string {
  return `\`${text}\``
}
