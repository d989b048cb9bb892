/**
 * Compares clocks. Tokens are checked against the clock of the gateway with a tolerance of 5 s, revocations against the database's.
 * A difference is known to half the duration of the question, so the smallest one that fits the answers counts.
 */
import type { DatabaseProbe } from './database-probe.js'
import { durationOf } from './duration.js'
import { type Finding, fault, ok, warning } from './finding.js'

const TOLERANCE_MS = 5_000
const NOTEWORTHY_MS = 1_000

/** A clock's answer, between the two times of this machine at which the question was asked and answered. */
export interface ClockReading {
  readonly askedAt: number
  readonly answeredAt: number
  /** The other clock, in ms since 1970: the earliest and the latest time that it may have shown. */
  readonly from: number
  readonly to: number
}

export async function readDatabaseClock(probe: DatabaseProbe): Promise<ClockReading> {
  // Opens the connection and applies its settings, so that the next statement measures only the round trip.
  await probe.row('select 1 as up')
  const askedAt = Date.now()
  const { at } = await probe.row<{ at: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as at',
  )
  return { askedAt, answeredAt: Date.now(), from: at, to: at }
}

/** The header Date (RFC 9110, 6.6.1) has whole seconds. Undefined if it is missing. */
export function readDateHeader(
  date: string | undefined,
  askedAt: number,
  answeredAt: number,
): ClockReading | undefined {
  const from = Date.parse(date ?? '')
  return Number.isNaN(from) ? undefined : { askedAt, answeredAt, from, to: from + 999 }
}

/** How far the other clock is ahead of this one, in ms: the number next to 0 that fits. */
export function differenceOf({ askedAt, answeredAt, from, to }: ClockReading): number {
  const [least, most] = [from - answeredAt, to - askedAt]
  return least > 0 ? least : most < 0 ? most : 0
}

/** @param whose such as `The clock of the database`. @param aheadMs of this machine's. */
export function judgeClock(check: string, whose: string, aheadMs: number, than = "this machine's"): Finding {
  const size = Math.abs(aheadMs)
  if (size < NOTEWORTHY_MS) return ok(check, `${whose} agrees with ${than}.`)
  const text = `${whose} is ${durationOf(size / 1_000)} ${aheadMs > 0 ? 'ahead of' : 'behind'} ${than}`
  const remedy = 'Set both clocks by NTP (chrony, systemd-timesyncd).'
  return size > TOLERANCE_MS
    ? fault(check, `${text}. Tokens are accepted too long or refused too early: 5 s are tolerated.`, remedy)
    : warning(check, `${text}. Tokens tolerate 5 s.`, remedy)
}
