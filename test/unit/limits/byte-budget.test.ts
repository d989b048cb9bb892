import t from 'tap'
import { ByteBudget } from '../../../src/limits/byte-budget.js'

t.test(
  'a transfer costs the bytes that it holds, and nothing at its beginning and after its end',
  async t => {
    const budget = new ByteBudget(100)
    const [acme, globex, initech] = ['acme', 'globex', 'initech'].map(holder => budget.open(holder))

    t.equal(budget.held, 0)
    t.ok(acme?.hold(20) && acme.hold(50) && globex?.hold(50))
    t.equal(budget.held, 100)
    t.equal(initech?.hold(1), false, 'nothing is left')
    t.equal(budget.held, 100, 'what is refused is not held')
    acme?.release()
    acme?.release()
    t.equal(budget.held, 50, 'given back once, however often')
    t.ok(initech?.hold(50))
  },
)

t.test('all transfers of one holder have half of it, so the others have theirs', async t => {
  const budget = new ByteBudget(100)
  const transfers = Array.from({ length: 10 }, () => budget.open('acme'))

  t.equal(transfers.filter(transfer => transfer.hold(10)).length, 5)
  t.ok(budget.open('globex').hold(10))
  t.ok(transfers[0]?.hold(5), 'less is always taken')
  t.ok(transfers[9]?.hold(5), 'and makes room')
})

t.test('the only transfer of a holder may take more than there is', async t => {
  const budget = new ByteBudget(100)
  const large = budget.open('acme')

  t.ok(large.hold(90) && large.hold(1_000))
  t.notOk(budget.open('acme').hold(1))
  t.notOk(budget.open('globex').hold(1))
  large.release()
  t.equal(budget.held, 0)
})
