/** The AI SDK checks parts with zod, which tries `eval` first; the policy of the page forbids that. Import it before the AI SDK. */
import { config } from 'zod'

config({ jitless: true })
