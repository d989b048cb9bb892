/** Names the source of events that were not published as CloudEvents, for clients that read them as such. */
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** `<base>/<workspace>/<stream>`: names of both are made of characters that the path of a URI may have. */
    cloudEventSource(workspace: string, stream: string): string
  }
}

export interface CloudEventsOptions {
  /** URI before the path. Default: none, so the source is a path. */
  readonly base?: string | undefined
}

export default fp<CloudEventsOptions>(
  async (app, { base = '' }) => {
    const start = base.replace(/\/$/, '')
    app.decorate('cloudEventSource', (workspace, stream) => `${start}/${workspace}/${stream}`)
  },
  { name: 'cloudevents' },
)
