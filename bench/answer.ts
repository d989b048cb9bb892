/** The answer of a process that a bench has forked: it sends one for each order. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

const PATIENCE_MS = 180_000

export interface Answer {
  /** The fault that makes the sample worthless. */
  readonly fault?: string
}

/** @throws if the process has found a fault or has ended, or if it does not answer in time. */
export async function answerTo<A extends Answer>(
  order: { readonly kind: string },
  child: ChildProcess,
): Promise<A> {
  const giveUp = new AbortController()
  const fail = (reason: string) => giveUp.abort(new Error(`The order "${order.kind}": ${reason}`))
  const ended = () => fail('its process has ended.')
  const late = setTimeout(fail, PATIENCE_MS, `no answer after ${PATIENCE_MS / 1_000} s.`)
  child.once('exit', ended)
  try {
    child.send(order)
    const [answer] = (await once(child, 'message', { signal: giveUp.signal })) as [A]
    if (answer.fault) throw new Error(answer.fault)
    return answer
  } catch (error) {
    throw giveUp.signal.aborted ? giveUp.signal.reason : error
  } finally {
    clearTimeout(late)
    child.off('exit', ended)
  }
}
