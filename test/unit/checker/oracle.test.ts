/** The oracle of the checker: it finds nothing in a clean history, and each planted bug by the right rule. */
import t from 'tap'
import { CLEAN_CLIENT_EDGES } from '../../checker/clean-client-edges.js'
import { CLEAN_CONNECTIONS } from '../../checker/clean-connections.js'
import { CLEAN_DURABLE_HISTORIES } from '../../checker/clean-durable-histories.js'
import { CLEAN_EDGE_HISTORIES } from '../../checker/clean-edge-histories.js'
import { CLEAN_FAULT_EDGES } from '../../checker/clean-fault-edges.js'
import { afterRetention, CLEAN_HISTORIES } from '../../checker/clean-histories.js'
import { CLEAN_JOB_EDGES } from '../../checker/clean-job-edges.js'
import { CLEAN_LOSS_HISTORIES } from '../../checker/clean-loss-histories.js'
import { CLEAN_RESETS } from '../../checker/clean-resets.js'
import { CLEAN_WORK_HISTORIES } from '../../checker/clean-work-histories.js'
import { acked, edgeConsumer, edgeRow, edgeStream, handed, lostEdgeRow } from '../../checker/edge-stream.js'
import { generateHistory } from '../../checker/generated-history.js'
import { type Entry, lineOf } from '../../checker/history.js'
import { judge } from '../../checker/oracle.js'
import { PLANTED_BUGS } from '../../checker/planted-bugs.js'
import { PLANTED_CLIENT_EDGES } from '../../checker/planted-client-edges.js'
import { PLANTED_CONNECTIONS } from '../../checker/planted-connections.js'
import { PLANTED_DURABLE_BUGS } from '../../checker/planted-durable-bugs.js'
import { PLANTED_EDGE_BUGS } from '../../checker/planted-edge-bugs.js'
import { PLANTED_FAULT_EDGES } from '../../checker/planted-fault-edges.js'
import { PLANTED_JOB_EDGES } from '../../checker/planted-job-edges.js'
import { PLANTED_LOSS_BUGS } from '../../checker/planted-loss-bugs.js'
import { PLANTED_RARE_BUGS } from '../../checker/planted-rare-bugs.js'
import { PLANTED_RESETS } from '../../checker/planted-resets.js'
import { PLANTED_WORK_BUGS } from '../../checker/planted-work-bugs.js'
import { RULES, type Rule } from '../../checker/verdict.js'
import { byNight } from '../../harness/nightly.js'
import { seedOfRun } from '../../harness/seed.js'

const SHAPE = { events: 400, clients: 14 }
/** These change the generated history, so that another one has the bug elsewhere. */
const CHANGED_BUGS = [
  ...PLANTED_BUGS,
  ...PLANTED_WORK_BUGS,
  ...PLANTED_RARE_BUGS,
  ...PLANTED_DURABLE_BUGS,
  ...PLANTED_LOSS_BUGS,
]
/** These are written by hand, and stand behind the generated history. */
const WRITTEN_BUGS = [
  ...PLANTED_EDGE_BUGS,
  ...PLANTED_CLIENT_EDGES,
  ...PLANTED_CONNECTIONS,
  ...PLANTED_FAULT_EDGES,
  ...PLANTED_JOB_EDGES,
  ...PLANTED_RESETS,
]
const ALL_BUGS = [...CHANGED_BUGS, ...WRITTEN_BUGS]
const CHANGED_HISTORIES = [
  ...CLEAN_HISTORIES,
  ...CLEAN_WORK_HISTORIES,
  ...CLEAN_DURABLE_HISTORIES,
  ...CLEAN_LOSS_HISTORIES,
]
const WRITTEN_HISTORIES = [
  ...CLEAN_EDGE_HISTORIES,
  ...CLEAN_CLIENT_EDGES,
  ...CLEAN_CONNECTIONS,
  ...CLEAN_FAULT_EDGES,
  ...CLEAN_JOB_EDGES,
  ...CLEAN_RESETS,
]
const [CHANGED_SEEDS, WRITTEN_SEEDS] = [[1, 2, 3], [1]]
const SEEDS = byNight(20, 1_000)
const first = seedOfRun(1)

t.test(`a clean history has no finding (SLUICE_SEED=${first})`, async t => {
  for (let seed = first; seed < first + SEEDS; seed += 1) {
    const verdict = await judgeAll([...generateHistory({ seed, ...SHAPE })])

    t.strictSame(verdict.toJSON().rules, [], `seed ${seed}`)
    const counts = ['lost events', 'removed events'].map(each => verdict.count(each))
    t.strictSame(counts, [3, 0], `seed ${seed}`)
    t.ok(
      verdict.count('deliveries') > 500 && verdict.count('resets') > 0 && verdict.count('connections') > 14,
    )
  }
})

t.test('what retention removed is counted apart', async t => {
  const verdict = await judgeAll(afterRetention([...generateHistory({ seed: 1, ...SHAPE })]))

  t.equal(verdict.count('removed events'), 10)
})

for (const history of [...CHANGED_HISTORIES, ...WRITTEN_HISTORIES]) {
  const { name, make } = history

  t.test(`no finding: ${name}`, async t => {
    for (const seed of CHANGED_HISTORIES.includes(history) ? CHANGED_SEEDS : WRITTEN_SEEDS) {
      const verdict = await judgeAll(make([...generateHistory({ seed, ...SHAPE })]))

      t.strictSame(verdict.toJSON().rules, [], `seed ${seed}`)
    }
  })
}

t.test('each rule has a planted bug', async t => {
  const planted = new Set(ALL_BUGS.flatMap(({ rules }) => rules))
  t.strictSame(
    Object.keys(RULES).filter(rule => !planted.has(rule as Rule)),
    [],
  )
})

t.test('planted bugs are many', async t => {
  t.ok(ALL_BUGS.length >= 210, `${ALL_BUGS.length}`)
})

for (const bug of ALL_BUGS) {
  const { name, rules, plant } = bug
  t.test(`found: ${name}`, async t => {
    for (const seed of CHANGED_BUGS.includes(bug) ? CHANGED_SEEDS : WRITTEN_SEEDS) {
      const verdict = await judgeAll(plant([...generateHistory({ seed, ...SHAPE })]))

      t.ok(
        rules.some(rule => verdict.rules.includes(rule)),
        `${rules.join(' or ')}, with seed ${seed}: ${verdict}`,
      )
    }
  })
}

t.test('a history that no recorder writes is refused', async t => {
  const cases: [Entry[], RegExp][] = [
    [[edgeRow(1)], /has a row before its log/],
    [[{ k: 'outcome', t: 1, publish: 'none', outcome: 'unknown' }], /was not started/],
    [[{ k: 'healed', t: 1, fault: 'none' }], /did not last then/],
    [[...edgeStream(), { ...edgeConsumer(), stream: 'acme/none' } as Entry], /There is no log/],
    [[...edgeStream(), { ...edgeConsumer(), start: 'none' } as Entry], /none is no event id/],
    [[{ ...lostEdgeRow(2), after: '3.eeeeee' }], /3.eeeeee cannot stand before 2.ffffff/],
    [[{ ...lostEdgeRow(2), after: '2.eeeeee' }], /2.eeeeee cannot stand before 2.ffffff/],
    [[{ k: 'left', t: 1, c: 'none' }], /none is not declared/],
    [[...edgeStream(), edgeConsumer(), ...handed(1, [1])], /has no holding 1/],
    [[...edgeStream(), edgeConsumer(), acked(1, 1, 1)], /has no acknowledgement 1/],
  ]
  for (const [lines, message] of cases)
    await t.rejects(judgeAll([{ k: 'history', version: 1, seed: 1 }, ...lines]), { message })
})

function judgeAll(history: readonly Entry[]) {
  return judge(() => [history.map(lineOf).map(line => line.trimEnd())])
}
