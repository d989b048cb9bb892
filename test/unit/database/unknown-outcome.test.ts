import t from 'tap'
import { mayBeStored } from '../../../src/database/unknown-outcome.js'

t.test('after some errors a change may be stored, after others it was undone', async t => {
  const postgres = (code: string, severity = 'ERROR') =>
    Object.assign(new Error('of the server'), { code, severity })
  const socket = (code: string) => Object.assign(new Error('of the socket'), { code, errno: -1 })
  const unknown = [
    socket('ECONNRESET'),
    socket('EHOSTUNREACH'),
    new Error('Connection terminated unexpectedly'),
    new Error('Query read timeout'),
    postgres('57P01', 'FATAL'),
    postgres('57P02', 'FATAL'),
    postgres('53100', 'PANIC'),
    postgres('58030', 'PANIC'),
    postgres('XX000', 'FATAL'),
    // A server that speaks German.
    postgres('53100', 'FEHLER'),
  ]
  const undone = [
    socket('ECONNREFUSED'),
    new AggregateError([socket('ECONNREFUSED')]),
    new Error('timeout exceeded when trying to connect'),
    postgres('53300', 'FATAL'),
    postgres('57P03', 'FATAL'),
    postgres('28P01', 'FATAL'),
    postgres('3D000', 'FATAL'),
    postgres('53100'),
    postgres('25006'),
    postgres('40001'),
    postgres('57014'),
    postgres('40P01', 'FEHLER'),
    new Error('A mistake of ours.'),
    'not an error',
  ]

  t.strictSame(
    unknown.filter(error => !mayBeStored(error)),
    [],
  )
  t.strictSame(undone.filter(mayBeStored), [])
})
