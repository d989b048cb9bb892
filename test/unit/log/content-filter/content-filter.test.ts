import t from 'tap'
import { ContentFilter } from '../../../../src/log/content-filter/content-filter.js'
import { EventContent } from '../../../../src/log/content-filter/event-content.js'

const matches = (where: string, data: string, type = 'item.created') =>
  ContentFilter.parse(where).matches({ type, data })

/** @returns the cases whose verdict is another one. */
function wrong(cases: readonly (readonly [where: string, data: string, verdict: boolean])[]): string[] {
  return cases.flatMap(([where, data, verdict]) =>
    matches(where, data) === verdict ? [] : [`${where} of ${data} is not ${verdict}`],
  )
}

t.test('each comparison is true or false for each kind of value, also for one that is missing', async t => {
  t.strictSame(
    wrong([
      ['data.a eq "x"', '{"a":"x"}', true],
      ['data.a eq "x"', '{"a":"X"}', false],
      ['data.a eq "1"', '{"a":1}', false],
      ['data.a eq 1', '{"a":"1"}', false],
      ['data.a eq true', '{"a":true}', true],
      ['data.a eq true', '{"a":"true"}', false],
      ['data.a eq null', '{"a":null}', true],
      ['data.a eq null', '{}', false],
      ['data.a ne "x"', '{}', true],
      ['data.a ne "x"', '{"a":1}', true],
      ['data.a exists', '{"a":null}', true],
      ['data.a exists', '{"b":1}', false],
      ['data.a in ("x",2,null)', '{"a":2.0}', true],
      ['data.a in ("x",2,null)', '{"a":[2]}', false],
      ['data.a gt 1', '{"a":2}', true],
      ['data.a gt 1', '{"a":"2"}', false],
      ['data.a gt 1', '{}', false],
      ['not data.a gt 1', '{}', true],
      ['data.a le "b"', '{"a":"a"}', true],
      ['data.a ge 2', '{"a":2}', true],
      ['data.a lt 2', '{"a":2}', false],
      ['data.a starts_with "ab"', '{"a":"abc"}', true],
      ['data.a starts_with "ab"', '{"a":["abc"]}', false],
      ['type eq "item.created" and data.a exists', '{"a":{}}', true],
    ]),
    [],
  )
})

t.test('numbers are compared by their exact values', async t => {
  t.strictSame(
    wrong([
      ['data.n eq 9007199254740993', '{"n":9007199254740993}', true],
      ['data.n eq 9007199254740993', '{"n":9007199254740992}', false],
      ['data.n gt 9007199254740992', '{"n":9007199254740993}', true],
      ['data.n eq 100', '{"n":1E+2}', true],
      ['data.n eq 100', '{"n":100.00}', true],
      ['data.n eq 0', '{"n":-0.0e7}', true],
      ['data.n gt 1e308', '{"n":1e400}', true],
      ['data.n eq 0', '{"n":1e-400}', false],
      ['data.n lt 0', `{"n":-1e${'9'.repeat(1_000)}}`, true],
      ['data.n gt 0', `{"n":1e-${'9'.repeat(1_000)}}`, true],
      ['data.n gt 5', `{"n":${'9'.repeat(200_000)}}`, true],
      ['data.n lt -2.5', '{"n":-2.50001}', true],
      ['data.n lt 0.1', '{"n":0.1000000000000000055511151231257827}', false],
    ]),
    [],
  )
})

t.test('strings and names are compared without their escapes, by code points', async t => {
  t.strictSame(
    wrong([
      ['data.a eq "A12"', '{"\\u0061":"\\u0041\\u00312"}', true],
      ['data.a eq "/\\"\\\\"', '{"a":"\\/\\u0022\\\\"}', true],
      ['data.a eq "😀"', '{"a":"\\ud83d\\ude00"}', true],
      ['data.a gt "\\uffff"', '{"a":"😀"}', true],
      ['data.a gt "a"', '{"a":"a\\u0000"}', true],
      ['data.a starts_with "x"', '{"a":"x\\ud800"}', true],
      ['data[""]["a b"] eq 1', '{"":{"a b":1}}', true],
      ['data["\\u0061"] eq 1', '{"a":1}', true],
      ['data.a eq "x"', `{"b":"${'\\\\'.repeat(100)}","a":"x"}`, true],
      ['data.a eq "x"', `{"b":"${'y'.repeat(100)}\\"","a":"x"}`, true],
    ]),
    [],
  )
})

t.test('paths lead through objects and arrays, and the last of several members counts', async t => {
  t.strictSame(
    wrong([
      ['data.a.b[1].c eq 1', ' { "a" : { "b" : [ 0 , { "c" : 1 } ] } } ', true],
      ['data.a[0] eq 1', '{"a":{"0":1}}', false],
      ['data.a["0"] eq 1', '{"a":[1]}', false],
      ['data.a[2] exists', '{"a":[1,2]}', false],
      ['data.a.b eq 1', '{"a":1}', false],
      ['data.a eq 1', '{"a":1,"a":2}', false],
      ['data.a eq 2', '{"a":1,"a":2}', true],
      ['data.a.b exists', '{"a":{"b":1},"a":{"c":2}}', false],
      ['data.a.b exists', '{"a":{"b":1},"a":2}', false],
      ['data.__proto__.toString exists', '{}', false],
      ['data.a eq 1', '{"b":{"a":1},"c":["a",1,"}"],"a":0}', false],
    ]),
    [],
  )
})

t.test('conditions that mean the same have one key', async t => {
  const key = (where: string) => ContentFilter.parse(where).key

  t.equal(key('data.a eq "x" and data.b gt 100'), key(' data["b"]gt 1e2\nand(data.a in("x","\\u0078"))'))
  t.equal(
    key('not not data.a exists or data.b exists'),
    key('data.b exists or data.a exists or data.a exists'),
  )
  t.equal(key('data.a ne -0.0'), key('not data.a eq 0'))
  t.not(key('data.a eq 1'), key('data.a eq "1"'))
  t.not(key('data["0"] eq 1'), key('data[0] eq 1'))
  t.not(
    key('data.a exists and (data.b exists or data.c exists)'),
    key('data.a exists and data.b exists or data.c exists'),
  )
})

t.test('filters share the values of an event, and one scan finds those of a filter', async t => {
  const event = { type: 'a', data: '{"owner":"u7","n":1}' }
  const content = new EventContent(event)
  let scans = 0
  const counted = Object.defineProperty({ ...event }, 'data', {
    get() {
      scans += 1
      return event.data
    },
  })
  const shared = new EventContent(counted)

  const owners = Array.from({ length: 100 }, (_, n) =>
    ContentFilter.parse(`data.owner eq "u${n}" and data.n eq 1`),
  )
  const found = owners.filter(filter => filter.matches(event, shared))

  t.equal(found.length, 1)
  t.equal(scans, 1)
  t.ok(owners[7]?.matches(event, content))
})
