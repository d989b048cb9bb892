import t from 'tap'
import { ByteBudget } from '../../src/limits/byte-budget.js'

t.test('bytes are taken until there are none left, and again when they are given back', async t => {
  const budget = new ByteBudget(100)

  const [acme, globex, none] = [budget.take('acme', 50), budget.take('globex', 50), budget.take('initech', 1)]

  t.ok(acme && globex)
  t.equal(none, undefined)
  acme?.()
  acme?.()
  t.equal(budget.held, 50, 'once, however often')
  t.ok(budget.take('initech', 50))
})

t.test('one workspace holds half of it at most', async t => {
  const budget = new ByteBudget(100)

  const taken = Array.from({ length: 10 }, () => budget.take('acme', 10))

  t.equal(taken.filter(Boolean).length, 5)
  t.ok(budget.take('globex', 10), 'so the others have theirs')
})

t.test('who holds nothing may take more than there is, once', async t => {
  const budget = new ByteBudget(100)

  const large = budget.take('acme', 1_000)

  t.ok(large)
  t.equal(budget.take('acme', 1), undefined)
  t.equal(budget.take('globex', 1), undefined)
  large?.()
  t.equal(budget.held, 0)
})
