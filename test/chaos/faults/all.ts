/** The list from which the nemesis draws. */
import type { Fault } from '../fault.js'
import { DATA_FAULTS } from './data.js'
import { GATEWAY_FAULTS } from './gateways.js'
import { LISTENER_FAULTS } from './listeners.js'
import { NETWORK_FAULTS } from './networks.js'
import { PROMOTION_FAULTS } from './promotions.js'
import { SERVER_FAULTS } from './servers.js'
import { SHORTAGE_FAULTS } from './shortages.js'

export const FAULTS: readonly Fault[] = [
  ...GATEWAY_FAULTS,
  ...LISTENER_FAULTS,
  ...SERVER_FAULTS,
  ...PROMOTION_FAULTS,
  ...SHORTAGE_FAULTS,
  ...NETWORK_FAULTS,
  ...DATA_FAULTS,
]
