/** Where a process writes its log, and in which form. */
import type { Config } from '../src/config/config.js'
import { logOptions } from '../src/logging/http-log.js'
import { logDestination } from '../src/logging/log-destination.js'

/** Logger options for Fastify. */
export async function loggerOf(config: Config) {
  const pretty = await prettyLines(config)
  return { ...logOptions(config.LOG_LEVEL), ...(pretty ?? { stream: logDestination() }) }
}

/** Formats the log for a person at a terminal; everywhere else its lines are JSON. */
async function prettyLines({ NODE_ENV }: Config) {
  if (NODE_ENV === 'production' || !process.stdout.isTTY) return undefined
  const installed = await import('pino-pretty').catch(() => undefined)
  const options = { translateTime: 'HH:MM:ss', ignore: 'pid,hostname,reqId', singleLine: true }
  return installed && { transport: { target: 'pino-pretty', options } }
}
