import t from 'tap'
import { MAX_PATH_LENGTH, pathnameOf, routeAt, withTicket } from '../../../../src/auth/tickets/stream-path.js'

t.test('a path is kept as it is written, without its query', async t => {
  for (const [path, pathname] of [
    ['/api/events', '/api/events'],
    ['/api/events?', '/api/events'],
    ['/api/events?types=item.*,revision.created&stream=a:b/c', '/api/events'],
    ['/projects/a%20b/events?stream_id=7', '/projects/a%20b/events'],
    ['/projects/a%2Fb/events', '/projects/a%2Fb/events'],
  ] as const) {
    t.equal(pathnameOf(path), pathname)
  }
})

// Attack: a path that the gateway, a proxy and the browser read differently would bind the ticket to something else than
// what is opened with it, or send it to somebody else's server.
t.test('a path that could be read in two ways is refused', async t => {
  for (const path of [
    '',
    'api/events',
    '//evil.example/api/events',
    '/\\evil.example/api/events',
    'https://evil.example/api/events',
    '/api//events',
    '/api/events/',
    '/api/./events',
    '/api/x/../events',
    '/api/%2e%2e/api/events',
    '/api/events#there',
    '/api/events;x=1',
    '/api/events?types=a b',
    '/api/events?types=<a>',
    '/api/events?types=%zz',
    '/api/ev\tents',
    '/api/events\n',
    '/api/events\0',
    ' /api/events',
    '/api/évents',
    `/api/events?types=${'a'.repeat(MAX_PATH_LENGTH)}`,
  ]) {
    t.throws(() => pathnameOf(path), { status: 400, code: 'invalid-path' }, JSON.stringify(path))
  }
})

// Attack: what is in the path comes back in a URL, so a token that is put there has leaked.
t.test('a path with credentials in it is refused, however they are written', async t => {
  for (const query of ['token=x', 'ticket=x', 'types=a&token=', '%74oken=x', 'ticke%74=x', 'token']) {
    t.throws(
      () => pathnameOf(`/api/events?${query}`),
      { code: 'invalid-path', detail: /token or ticket/ },
      query,
    )
  }
})

t.test('a path matches the route with the same segments', async t => {
  const feed = { pattern: '/api/events', roles: ['viewer'] } as const
  const job = { pattern: '/api/jobs/:id/events', roles: ['viewer'] } as const
  const routes = [feed, job]

  t.equal(routeAt('/api/events', routes), feed)
  t.equal(routeAt('/api/jobs/7/events', routes), job)
  for (const pathname of ['/api/items', '/api/jobs/7/events/8', '/api/jobs/7', '/API/events', '/api/:id']) {
    t.throws(() => routeAt(pathname, routes), { code: 'invalid-path' }, pathname)
  }
})

t.test('the ticket joins the query that is there', async t => {
  t.equal(withTicket('/api/events', 'T'), '/api/events?ticket=T')
  t.equal(withTicket('/api/events?types=a', 'T'), '/api/events?types=a&ticket=T')
})
