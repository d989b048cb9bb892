/**
 * Where the connections of a gateway come from: pools of its own on a URL, or the pool of the application that mounts it. On a
 * borrowed pool nothing is kept in a session, as behind a pooler: each statement runs in a transaction that sets its own
 * settings and parses its own values, so the application's connections are returned as they were.
 */
import type pg from 'pg'
import { refuseNative } from './native-driver.js'
import {
  beginning,
  createPool,
  type Database,
  getTypeParser,
  type PoolOptions,
  QUERY_TIMEOUT_MS,
} from './pool.js'
import { queryBy, transactional } from './pooler.js'
import { pins } from './session.js'

export type PoolSource =
  /** `pooled`: whether a pooler may stand between (src/database/pooler.ts). */
  | { readonly url: string; readonly pooled: boolean }
  /** Stays the application's: it is never ended here. */
  | { readonly pool: pg.Pool }

/** A pool for one purpose. All purposes share a borrowed pool, so `max` and `name` hold only for pools of its own. @throws for pg.native. */
export function openPool(source: PoolSource, options: Omit<PoolOptions, 'pooled'>): Database {
  if ('pool' in source) return borrowed(source.pool, options)
  return createPool(source.url, { ...options, pooled: source.pooled })
}

function borrowed(
  pool: pg.Pool,
  { settings, queryTimeoutMs = QUERY_TIMEOUT_MS }: Omit<PoolOptions, 'pooled'>,
): Database {
  refuseNative(pool)
  const begin = beginning()
  const pinned = pins('transaction', settings)
  const more = { types: { getTypeParser }, query_timeout: queryTimeoutMs }

  const connect = async (): Promise<pg.PoolClient> => {
    const client = await pool.connect()
    // A connection that breaks while it is checked out emits `error`, which would end the process if nobody listened.
    const ignore = () => undefined
    client.on('error', ignore)
    return Object.create(client, {
      query: { value: transactional(client, begin, pinned, more) },
      release: {
        value: (broken?: Error | boolean) => {
          client.off('error', ignore)
          client.release(broken)
        },
      },
    })
  }
  return Object.create(pool, {
    connect: { value: connect },
    query: { value: queryBy({ connect }) },
    end: { value: async () => undefined },
  })
}
