import t from 'tap'
import { headerFault } from '../../../../src/webhooks/sending/endpoint-headers.js'

t.test(
  'an endpoint adds headers of its own, but none of ours, of the connection, or that end another',
  async t => {
    const good = {
      Authorization: 'Bearer x.y',
      'X-Api-Key': '1',
      cookie: 'a=b',
      accept: '*/*',
      'x-tab': 'a\tb',
    }
    const bad = {
      host: 'a',
      Host: 'a',
      'content-length': '1',
      'Transfer-Encoding': 'chunked',
      connection: 'x-key',
      'content-type': 'a/b',
      'proxy-authorization': 'a',
      'webhook-id': '1',
      'Webhook-Signature': '1',
      'sluice-stream': '1',
      'ce-id': '1',
      'x-forwarded-for': '127.0.0.1',
      '': 'a',
      'a b': 'a',
      'a:b': 'a',
      'a\r\nb': 'a',
      ä: 'a',
      [`x${'a'.repeat(64)}`]: 'a',
      'x-empty': '',
      'x-line': 'a\r\nb: c',
      'x-zero': 'a\0',
      'x-wide': 'ä',
      'x-space': ' a',
      'x-long': 'secret'.repeat(1_000),
    }

    t.strictSame(
      Object.entries(good).flatMap(([name, value]) => headerFault(name, value) ?? []),
      [],
    )
    const faults = Object.entries(bad).map(([name, value]) => headerFault(name, value))
    t.strictSame(
      faults.filter(fault => fault === undefined || !/^.*\. .*\.$/.test(fault) || /secret/.test(fault)),
      [],
    )
  },
)
