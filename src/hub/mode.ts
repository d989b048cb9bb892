/** The modes of a gateway process, which it reports in `server.state` and in GET /ready. */
import { NOTICES } from '../log/notice-catalogue.js'

export const MODES = NOTICES['server.state'].data.properties.mode.enum
export type Mode = (typeof MODES)[number]
