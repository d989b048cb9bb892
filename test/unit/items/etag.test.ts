import t from 'tap'
import { formatETag, ifMatchHolds, isKnown } from '../../../src/items/etag.js'

const current = formatETag('v2')

t.test('If-Match lets the current tag through, alone, in a list, or as *', async t => {
  for (const header of [
    '"v2"',
    ' "v2" ',
    '"v1", "v2"',
    '"v1","v2","v3"',
    ', "v2" ,',
    '"a,b", "v2"',
    '*',
    ' * ',
  ]) {
    t.equal(ifMatchHolds(header, current), true, header)
  }
})

t.test('If-Match refuses other tags, weak tags, and malformed lists of tags', async t => {
  for (const header of [
    '"v1"',
    'W/"v2"',
    'w/"v2"',
    'v2',
    '',
    '""',
    '"v2',
    '"v2" v3',
    '*, "v2"',
    '"V2"',
    '"v 2"',
  ]) {
    t.equal(ifMatchHolds(header, current), false, header)
  }
})

t.test('If-None-Match compares weakly', async t => {
  for (const header of ['"v2"', 'W/"v2"', 'W/"v1", W/"v2"', '*'])
    t.equal(isKnown(header, current), true, header)
  for (const header of ['"v1"', 'v2', '', 'W/v2']) t.equal(isKnown(header, current), false, header)
})
