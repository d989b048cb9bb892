/**
 * The text that a person sees when the gateway is up: its address, links to the console, three tokens, and commands to paste into a
 * terminal.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../src/process/package-root.js'
import type { DemoTokens } from '../src/process/worker-message.js'

export interface BannerOptions {
  readonly url: string
  /** The location of the data, in words. */
  readonly database: string
  readonly workspace: string
  /** Whether a demo plays in the workspace. */
  readonly demo: boolean
  readonly tokens?: DemoTokens | undefined
}

export function banner({ url, database, workspace, demo, tokens }: BannerOptions): string {
  const place = [
    `Sluice listens on ${url}`,
    '',
    `  Database   ${database}`,
    `  API        ${url}/docs`,
    ...guide(url),
    ...(demo ? [`  Demo       plays in workspace '${workspace}': about one change of an item a second`] : []),
  ]
  if (!tokens) return `${place.join('\n')}\n`
  const { viewer, editor, admin } = tokens
  return `${[
    ...place,
    '',
    demo
      ? 'Open the console in a browser, and watch the demo there:'
      : 'Open the console in a browser; it shows what happens here, live:',
    '',
    `  as the editor                              ${url}/#token=${editor}`,
    `  as the admin, who sees all of its pages    ${url}/#token=${admin}`,
    '',
    `Three tokens for workspace '${workspace}', valid for 30 days. The viewer token may read, the editor token may also write,`,
    'the admin token may also manage webhooks, keys, streams and clients:',
    '',
    `  VIEWER_TOKEN=${viewer}`,
    `  EDITOR_TOKEN=${editor}`,
    `  ADMIN_TOKEN=${admin}`,
    '',
    'Follow the feed:',
    '',
    `  curl -N ${url}/api/events -H 'Accept: text/event-stream' -H 'Authorization: Bearer ${viewer}'`,
    '',
    'Create an item, in another terminal:',
    '',
    `  curl ${url}/api/items -H 'Authorization: Bearer ${editor}' \\`,
    `    -H 'Content-Type: application/json' -d '{"part_number":"A01-0001","description":"Bracket","item_type":"part"}'`,
    '',
    'Stop with Ctrl-C.',
  ].join('\n')}\n`
}

/** The documentation: as a site if it was built, as files in a checkout, and not at all in the published package. */
function guide(url: string): string[] {
  if (existsSync(join(packageRoot, 'docs-site/index.html'))) return [`  Guide      ${url}/guide`]
  return existsSync(join(packageRoot, 'docs/README.md')) ? ['  Guide      docs/README.md'] : []
}
