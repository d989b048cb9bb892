/** The answers of a worker for all workers of its parent, and its reports about itself when the parent asks. */
import type { Sluice, SluiceOptions } from '../plugins/sluice.js'
import type { Reporters, WorkerChannel } from '../src/process/worker-channel.js'

/** The options with which a worker asks all workers. If the parent does not answer in time, it answers for itself. */
export function askingAll(
  channel: WorkerChannel,
  own: () => Sluice,
): Required<
  Pick<SluiceOptions, 'countClients' | 'collectMetrics' | 'collectRecentMetrics' | 'collectClients'>
> {
  return {
    countClients: async () =>
      (await channel.ask({ topic: 'clients', about: undefined })) ?? { workers: 1, clients: own().clients() },
    collectMetrics: async () =>
      (await channel.ask({ topic: 'metrics', about: undefined })) ?? (await own().metrics.text()),
    collectRecentMetrics: async () =>
      (await channel.ask({ topic: 'recent', about: undefined })) ?? own().metrics.recent(),
    collectClients: async question =>
      (await channel.ask({ topic: 'connections', about: question })) ?? [own().connections(question)],
  }
}

export function reportersOf({ clients, metrics, connections }: Sluice): Reporters {
  return { clients, metrics: () => metrics.documents(), recent: () => metrics.recent(), connections }
}
