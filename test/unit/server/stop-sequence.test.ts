import t from 'tap'
import { StopSequence } from '../../../server/stop-sequence.js'

t.test('a process that ends while it starts closes at once, and another signal ends it', async t => {
  let closes = 0
  const sequence = new StopSequence(() => {
    closes += 1
  })
  let announced = false

  await sequence.begin()
  sequence.serves({
    delayMs: 60_000,
    announce() {
      announced = true
    },
  })

  t.notOk(sequence.skip(), 'there is no wait to skip, so the signal is no wish to hurry but to leave')
  t.strictSame([closes, announced], [1, false])
})

t.test('a process that serves announces its end, and a second signal skips the wait', async t => {
  let closes = 0
  const sequence = new StopSequence(() => {
    closes += 1
  })
  const announced: number[] = []
  sequence.serves({ delayMs: 60_000, announce: ms => announced.push(ms) })

  const ending = sequence.begin()
  t.strictSame([closes, announced], [0, [60_000]])
  t.ok(sequence.skip())
  await ending

  t.equal(closes, 1)
  t.notOk(sequence.skip())
})
