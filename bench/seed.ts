/** Fills logs quickly: with rows as the gateway's functions would have written them, without their checks. */
import pg from 'pg'
import { PADDING } from './server.js'

export interface Seed {
  readonly workspace: string
  readonly stream?: string
  /** Positions 1 to `events`; their data has `"n"` = 0 to events − 1. */
  readonly events: number
  /** Every n-th event has the type `rare`, and `"n"` counts these. Default: none. */
  readonly rareEach?: number
}

export async function seed(databaseUrl: string, { workspace, stream = 'feed', events, rareEach }: Seed) {
  await withClient(databaseUrl, async client => {
    await client.query('select sluice.ensure_stream($1, $2, $3)', [workspace, stream, 'feed'])
    await client.query(
      `insert into sluice.events (stream_id, "position", at, event_id, type, data)
       select s.id, g, now(), gen_random_uuid(), case when rare then 'rare' else 'tick' end,
              format('{"n":%s,"padding":"%s"}', case when rare then g / $4::int - 1 else g - 1 end, $5::text)::json
         from sluice.streams s, generate_series(1, $3::int) g, lateral (select $4::int > 0 and g % greatest($4, 1) = 0 as rare) r
        where s.workspace = $1 and s.name = $2`,
      [workspace, stream, events, rareEach ?? 0, PADDING],
    )
    await client.query('analyze sluice.events, sluice.streams')
  })
}

/** Further streams, in a workspace of their own, with some events each. */
export async function seedStreams(databaseUrl: string, streams: number, eventsEach: number): Promise<void> {
  await withClient(databaseUrl, async client => {
    await client.query(
      `insert into sluice.streams (workspace, name) select 'many', 'stream-' || g from generate_series(1, $1::int) g`,
      [streams],
    )
    await client.query(
      `insert into sluice.events (stream_id, "position", at, event_id, type, data)
       select s.id, g, now(), gen_random_uuid(), 'tick', format('{"n":%s,"padding":"%s"}', g - 1, $2::text)::json
         from sluice.streams s, generate_series(1, $1::int) g where s.workspace = 'many'`,
      [eventsEach, PADDING],
    )
    await client.query('analyze sluice.events, sluice.streams')
  })
}

export async function withClient<T>(
  databaseUrl: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
