/** examples/sql-app/README.md as a reader walks it, and the application in the failures that its last part names. */
import t from 'tap'
import { fences, read, section } from '../../harness/document.js'
import { freePort } from '../../harness/port.js'
import { preparePostgres } from '../../harness/postgres.js'
import { findProgram } from '../../harness/program.js'
import { openTerminals } from '../../harness/terminals.js'
import { until } from '../../harness/until.js'

const PAGE = 'examples/sql-app/README.md'
const FOLLOWERS = ['ada', 'ada-in-the-room', 'bob', 'bob-in-the-room', 'carrier']
const lacking = ['psql', 'curl'].find(program => findProgram([program]) === undefined)
const skip = lacking !== undefined && `needs ${lacking}`

t.test('the page runs as it stands, and nobody gets more than was granted or less', { skip }, async t => {
  const postgres = await preparePostgres(t)
  await postgres.start()
  const port = await freePort()
  const terminals = openTerminals(t, {
    env: {
      HOST: '127.0.0.1',
      PORT: `${port}`,
      RATE_LIMIT_MAX: '0',
      LOG_LEVEL: 'warn',
      SLUICE_URL: `http://127.0.0.1:${port}`,
    },
    instead: [
      ['127.0.0.1:5432', new URL(postgres.url).host],
      ['127.0.0.1:8080', `127.0.0.1:${port}`],
    ],
  })
  const page = read(PAGE)
  const last = fences(section(page, '## Break it'))
  const steps = fences(page).slice(0, -last.length)
  const gateway = steps.filter(({ info }) => info === 'sh gateway' || info === 'text gateway')

  for (const step of steps) await terminals.walk(step)
  // Work goes on while the gateway is away, and is interrupted by a restart of the database.
  await terminals.kill('gateway')
  const [work, ...shown] = last
  if (work) await terminals.walk(work)
  await postgres.stop()
  await postgres.start()
  for (const step of gateway) await terminals.walk(step)
  for (const step of shown) await terminals.walk(step)
  // The gateway stays, and only the database restarts.
  await postgres.stop()
  await postgres.start()
  await terminals.walk({
    info: 'sh',
    text: `psql --quiet "$DATABASE_URL" --output=/dev/null --command="
    select workshop.say('lobby', 'bob', 'the end'), workshop.note('ada', 'the end'), workshop.note('bob', 'the end');
    select workshop.place_order('the end', 1)"\n`,
  })
  await until('all followers have the end', () =>
    FOLLOWERS.every(name => terminals.shown(name).includes('the end')),
  )

  const received = Object.fromEntries(
    FOLLOWERS.map(name => [
      name,
      terminals
        .shown(name)
        .trim()
        .split('\n')
        .map(line => line.replace(/"(id|name|room|author|owner|customer)" ?: ?/g, '')),
    ]),
  )
  t.strictSame(received, {
    ada: [
      'person.joined {"ada"}',
      'note.created {1,"ada","text":"order M6 bolts","done":false}',
      'note.created {2,"ada","text":"sharpen the drills","done":false}',
      'note.created {3,"ada","text":"call Huber","done":false}',
      'note.created {4,"ada","text":"the end","done":false}',
    ],
    'ada-in-the-room': room(),
    bob: [
      'person.joined {"bob"}',
      'note.created {2,"bob","text":"sharpen the drills","done":false}',
      'note.deleted {2,"bob","text":"sharpen the drills","done":false}',
      'note.created {5,"bob","text":"the end","done":false}',
    ],
    'bob-in-the-room': room(),
    carrier: [
      'order.book_opened {}',
      'order.created {1,"Huber","state":"open"}',
      'order.updated {1,"Huber","state":"shipped"}',
      'order.created {2,"Meier","state":"open"}',
      'order.created {3,"the end","state":"open"}',
    ],
  })
})

function room(): string[] {
  return [
    'room.opened {"lobby"}',
    'message.said {"bob", "text" : "Who takes over my drills?"}',
    'message.said {"ada","text":"I do."}',
    'message.said {"ada", "text" : "Huber has got his order."}',
    'message.said {"bob", "text" : "the end"}',
  ]
}
