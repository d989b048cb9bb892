/** Refuses changes while the server is in maintenance. Reading and following go on. */
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route takes changes in maintenance too. */
    inMaintenance?: true
  }
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

export default fp(
  async app => {
    // After authentication and validation: who may not do it, or asks for nonsense, learns that first.
    app.addHook('preHandler', async request => {
      const { inMaintenance, access } = request.routeOptions.config
      if (access === undefined || inMaintenance || READING.has(request.method)) return
      app.serverState.assertWritable()
    })
  },
  { name: 'maintenance', dependencies: ['hub'] },
)
