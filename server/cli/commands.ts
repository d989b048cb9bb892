/** All commands, in the order of `sluice --help`. */
import type { Entry } from './declaration.js'

const GATEWAY = 'Run a gateway'
const ADMINISTRATION = 'Administer a gateway'

const CONTEXTS = 'Choose a gateway'

const DAILY = 'Use a gateway'

export const COMMANDS: readonly Entry[] = [
  {
    name: 'serve',
    summary: 'run a gateway, as sluice without a command does',
    group: GATEWAY,
    load: async () => (await import('./commands/serve.js')).serveCommand,
  },
  {
    name: 'dev',
    summary: 'run a gateway to develop against, with demo data and a context',
    group: GATEWAY,
    load: async () => (await import('./commands/dev.js')).devCommand,
  },
  {
    name: 'migrate',
    summary: 'bring a database to the schema of this version',
    group: GATEWAY,
    load: async () => (await import('./commands/migrate.js')).migrateCommand,
  },
  {
    name: 'runner',
    summary: 'execute the commands that wait in a gateway',
    group: GATEWAY,
    load: async () => (await import('./commands/runner.js')).runnerCommand,
  },
  {
    name: 'login',
    summary: 'keep the URL of a gateway and a credential for it',
    group: CONTEXTS,
    load: async () => (await import('./commands/login.js')).loginCommand,
  },
  {
    name: 'logout',
    summary: 'forget a gateway and its credential',
    group: CONTEXTS,
    load: async () => (await import('./commands/logout.js')).logoutCommand,
  },
  {
    name: 'context',
    summary: 'list the gateways of sluice login and switch between them',
    group: CONTEXTS,
    load: async () => (await import('./commands/context.js')).contextNoun,
  },
  {
    name: 'tail',
    summary: 'write the events of a stream or a job as they happen',
    group: DAILY,
    load: async () => (await import('./commands/tail.js')).tailCommand,
  },
  {
    name: 'publish',
    summary: 'publish an event, or lines of events',
    group: DAILY,
    load: async () => (await import('./commands/publish.js')).publishCommand,
  },
  {
    name: 'consumer',
    summary: 'manage and follow consumers: named cursors that the gateway keeps',
    group: DAILY,
    load: async () => (await import('./commands/consumer.js')).consumerNoun,
  },
  {
    name: 'item',
    summary: 'list, show and change items',
    group: DAILY,
    load: async () => (await import('./commands/item.js')).itemNoun,
  },
  {
    name: 'job',
    summary: 'run commands on runners; list, show and cancel jobs',
    group: DAILY,
    load: async () => (await import('./commands/job.js')).jobNoun,
  },
  {
    name: 'webhook',
    summary: 'manage webhooks, and post events to a local server',
    group: DAILY,
    load: async () => (await import('./commands/webhook.js')).webhookNoun,
  },
  {
    name: 'key',
    summary: 'manage API keys, on the database of a gateway',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/key.js')).keyNoun,
  },
  {
    name: 'workspace',
    summary: 'export and delete a workspace, on the database of a gateway',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/workspace.js')).workspaceNoun,
  },
  {
    name: 'explain',
    summary: 'say why a client got an event, or did not',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/explain.js')).explainCommand,
  },
  {
    name: 'doctor',
    summary: 'find what is wrong with a gateway, its database and the way to it',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/doctor.js')).doctorCommand,
  },
  {
    name: 'cluster',
    summary: 'show the nodes of the cluster, their versions, clients and lag',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/cluster.js')).clusterCommand,
  },
  {
    name: 'usage',
    summary: 'show what a workspace has stored, and its limits',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/usage.js')).usageCommand,
  },
  {
    name: 'token',
    summary: 'sign a token, for development or for now',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/token.js')).tokenCommand,
  },
  {
    name: 'ticket',
    summary: 'print a link that opens a stream once',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/ticket.js')).ticketCommand,
  },
  {
    name: 'watch-table',
    summary: 'turn the changes of a table into events',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/watch-table.js')).watchTableCommand,
  },
  {
    name: 'completion',
    summary: 'print a script that completes commands in a shell',
    group: ADMINISTRATION,
    load: async () => (await import('./commands/completion.js')).completionOf(() => COMMANDS),
  },
]
