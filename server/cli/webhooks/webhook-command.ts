/** The common part of the commands of `sluice webhook`. */
import { GATEWAY_NOTES } from '../gateway-target.js'
import { flag } from '../option.js'

export const EXIT_CODES = '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers'
export const WEBHOOK = { name: 'ID', help: 'the id of a webhook' }
export const json = flag('--json', 'print JSON')
export const declared = { notes: GATEWAY_NOTES, exitCodes: EXIT_CODES }

/** The path of the webhook that the first argument names. */
export function pathOf([id = '']: readonly string[]): string {
  return `/api/webhooks/${encodeURIComponent(id)}`
}
