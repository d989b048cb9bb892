/** What a person reads when a gateway has started. */
import t from 'tap'
import { banner } from '../../../server/banner.js'

const url = 'http://127.0.0.1:8080'
const tokens = { viewer: 'v.v.v', editor: 'e.e.e', admin: 'a.a.a' }
const common = { url, database: 'embedded Postgres in data/', workspace: 'demo' }

const lineWith = (text: string, part: string) => text.split('\n').find(line => line.includes(part)) ?? ''

t.test('each link to the console says as whom it opens it', async t => {
  const text = banner({ ...common, demo: false, tokens })

  t.match(lineWith(text, `${url}/#token=e.e.e`), /^ {2}as the editor /)
  t.match(lineWith(text, `${url}/#token=a.a.a`), /^ {2}as the admin, who sees all of its pages /)
  t.notOk(text.includes('#token=v.v.v'))
})

t.test('it says that a demo plays, and where, if and only if one does', async t => {
  const plays = /^ {2}Demo {7}plays in workspace 'demo'/

  for (const shown of [tokens, undefined]) {
    t.match(lineWith(banner({ ...common, demo: true, tokens: shown }), 'Demo'), plays)
    t.notMatch(banner({ ...common, demo: false, tokens: shown }), /demo(?!')/i)
  }
  t.match(banner({ ...common, demo: true, tokens }), 'watch the demo there')
})
