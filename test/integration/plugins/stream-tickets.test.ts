import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import caller from '../../../plugins/caller.js'
import streamTickets from '../../../plugins/stream-tickets.js'
import type { Principal, Role } from '../../../src/auth/principal.js'
import { createDatabase } from '../../harness/database.js'

const principal = (role: Role): Principal => ({
  id: 'ada',
  workspace: 'acme',
  role,
  issuedAt: 0,
  expiresAt: Date.now() + 60_000,
  credential: { kind: 'token', id: undefined },
})

t.test('a ticket needs the role that its stream needs, whatever the role to ask for one', async t => {
  const { pool } = await createDatabase(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fp(async app => void app.decorate('database', pool), { name: 'database' }))
  await app.register(caller)
  await app.register(streamTickets)
  const handler = async () => 'secret'
  app.get('/high/:id', { config: { access: 'admin', stream: () => undefined } }, handler)
  app.get('/both', { config: { access: ['admin', 'runner'], stream: () => undefined } }, handler)
  app.get('/open', { config: { access: 'public', stream: () => undefined } }, handler)
  app.get('/page', { config: { access: 'viewer' } }, handler)
  app.post('/posted', { config: { access: 'viewer', stream: () => undefined } }, handler)

  t.match(await app.issueTicket(principal('admin'), '/high/7?a=b'), { url: /^\/high\/7\?a=b&ticket=/ })
  t.match(await app.issueTicket(principal('runner'), '/both'), { url: /^\/both\?ticket=/ })
  for (const path of ['/high/7', '/both']) {
    await t.rejects(app.issueTicket(principal('editor'), path), { status: 403, code: 'role-too-low' }, path)
  }
  for (const path of ['/open', '/page', '/posted', '/high/:id/more']) {
    await t.rejects(app.issueTicket(principal('admin'), path), { status: 400, code: 'invalid-path' }, path)
  }
})
