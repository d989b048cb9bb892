import { BlockList } from 'node:net'
import t from 'tap'
import { formatRange, isWithin, parseRange } from '../../../src/network/address-range.js'
import { byNight } from '../../harness/nightly.js'
import { randomFrom } from '../../harness/random.js'
import { seedOfRun } from '../../harness/seed.js'

const seed = seedOfRun(7)

function holds(range: string, address: string): boolean {
  const parsed = parseRange(range)
  if (!parsed) throw new Error(`${range} is no range`)
  return isWithin(address, [parsed])
}

/** How formatRange begins an IPv4-mapped address. */
const MAPPED = '0:0:0:0:0:ffff:'

t.test('a range holds the addresses that share its prefix, and no others', async t => {
  const cases: [range: string, address: string, held: boolean][] = [
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['203.0.113.128/25', '203.0.113.128', true],
    ['203.0.113.128/25', '203.0.113.127', false],
    ['203.0.113.7', '203.0.113.7', true],
    ['203.0.113.7', '203.0.113.6', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::', false],
    ['2001:db8:0:8000::/49', '2001:db8:0:8000::', true],
    ['2001:db8:0:8000::/49', '2001:db8:0:7fff::', false],
    ['::1', '0:0:0:0:0:0:0:1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
  ]

  for (const [range, address, held] of cases) t.equal(holds(range, address), held, `${range} ${address}`)
})

t.test('an IPv4 address is the same in its IPv6 form, in rules and in callers', async t => {
  for (const range of [
    '10.0.0.0/8',
    '::ffff:10.0.0.0/104',
    '::FFFF:a00:0/104',
    '0:0:0:0:0:ffff:10.0.0.0/104',
  ]) {
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '::ffff:a01:203', '0:0::ffff:0a01:0203']) {
      t.ok(holds(range, address), `${range} ${address}`)
    }
    t.notOk(holds(range, '::ffff:11.0.0.1'), range)
    t.notOk(holds(range, '::10.1.2.3'), 'the old compatible form is another address')
  }
  t.notOk(holds('::/0', '10.1.2.3'), 'no IPv6 range holds an IPv4 address')
  t.notOk(holds('::/0', '::ffff:10.1.2.3'))
  t.notOk(holds('0.0.0.0/0', '2001:db8::1'))
})

t.test('an invalid or ambiguous range is refused', async t => {
  for (const text of [
    '',
    '/',
    '10.0.0.0/',
    '/8',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '10.0.0.0/8.0',
    '10.0.0.1/8',
    '255.255.255.255/31',
    '2001:db8::1/64',
    '::ffff:10.0.0.1/104',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '0x0a000001',
    '167772161',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '10.0.0.1\n',
    '::1%lo',
    '[::1]',
    ':::',
    '::ffff:10.0.0.0/129',
    'localhost',
    '10.0.0.0-10.0.0.9',
    '*',
    '１０.0.0.1',
  ]) {
    t.equal(parseRange(text), undefined, JSON.stringify(text))
  }
})

t.test('a caller without an address is in no range', async t => {
  for (const address of [undefined, '', 'unknown', '/run/gateway.sock', '10.0.0.1:80', '_hidden']) {
    t.notOk(isWithin(address, [{ bytes: [0, 0, 0, 0], prefix: 0 }]), String(address))
  }
  t.notOk(isWithin('10.0.0.1', []))
})

t.test('a range is written as one text, whatever it was written as', async t => {
  const texts: Record<string, string> = {
    '10.0.0.7': '10.0.0.7/32',
    '::ffff:10.0.0.0/104': '10.0.0.0/8',
    '2001:DB8::/32': '2001:db8:0:0:0:0:0:0/32',
    '::': '0:0:0:0:0:0:0:0/128',
  }

  for (const [given, text] of Object.entries(texts)) {
    const range = parseRange(given)
    t.equal(range && formatRange(range), text, given)
    t.same(parseRange(text), range)
  }
})

t.test(`BlockList of Node agrees on random ranges and addresses (SLUICE_SEED=${seed})`, async t => {
  const random = randomFrom(seed)
  const bytes = (length: number) => Array.from({ length }, () => random.pick([0, 255, random.integer(256)]))
  const textOf = (of: number[]) => formatRange({ bytes: of, prefix: 0 }).replace('/0', '')

  for (let round = 0; round < byNight(2_000, 1_000_000); round += 1) {
    const family = random.pick<'ipv4' | 'ipv6'>(['ipv4', 'ipv6'])
    const address = bytes(family === 'ipv4' ? 4 : 16)
    const prefix = random.integer(address.length * 8 + 1)
    // Often the neighbour in the last bit of the prefix, or the same network.
    const other = address.map((byte, at) => (at * 8 >= prefix - 8 ? byte ^ (1 << random.integer(8)) : byte))
    const network = address.map((byte, at) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - at * 8))))
    const list = new BlockList()
    list.addSubnet(textOf(network), prefix, family)

    for (const candidate of [address, other, bytes(address.length)].map(textOf)) {
      // BlockList takes it for a part of ::/0; we take it for the IPv4 address that it contains.
      if (candidate.startsWith(MAPPED) || textOf(network).startsWith(MAPPED)) continue
      const range = `${textOf(network)}/${prefix}`
      if (holds(range, candidate) !== list.check(candidate, family)) t.fail(`${range} ${candidate}`)
    }
  }
})
