/** The oracle of the checker: it finds nothing in a clean history, and each planted bug by the right rule. */
import t from 'tap'
import { generateHistory } from '../../checker/generated-history.js'
import { type Entry, lineOf } from '../../checker/history.js'
import { judge } from '../../checker/oracle.js'
import { PLANTED_BUGS } from '../../checker/planted-bugs.js'
import { afterRetention, PLANTED_WORK_BUGS } from '../../checker/planted-work-bugs.js'
import { byNight } from '../../harness/nightly.js'

const SHAPE = { events: 400, clients: 14 }
const ALL_BUGS = [...PLANTED_BUGS, ...PLANTED_WORK_BUGS]
const SEEDS = byNight(20, 1_000)

t.test('a clean history has no finding', async t => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const verdict = await judgeAll([...generateHistory({ seed, ...SHAPE })])

    t.strictSame(verdict.toJSON().rules, [], `seed ${seed}`)
    t.ok(
      verdict.count('deliveries') > 500 && verdict.count('resets') > 0 && verdict.count('connections') > 14,
    )
  }
})

t.test('what retention has removed during the run is no finding', async t => {
  for (const seed of [1, 2, 3]) {
    const verdict = await judgeAll(afterRetention([...generateHistory({ seed, ...SHAPE })]))

    t.strictSame(verdict.toJSON().rules, [], `seed ${seed}`)
    t.equal(verdict.count('removed events'), 10)
  }
})

t.test('planted bugs are many', async t => {
  t.ok(ALL_BUGS.length >= 70, `${ALL_BUGS.length}`)
})

for (const { name, rules, plant } of ALL_BUGS) {
  t.test(`found: ${name}`, async t => {
    for (const seed of [1, 2, 3]) {
      const verdict = await judgeAll(plant([...generateHistory({ seed, ...SHAPE })]))

      t.ok(
        rules.some(rule => verdict.rules.includes(rule)),
        `${rules.join(' or ')}, with seed ${seed}: ${verdict}`,
      )
    }
  })
}

function judgeAll(history: readonly Entry[]) {
  return judge(() => [history.map(lineOf).map(line => line.trimEnd())])
}
