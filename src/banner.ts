/** What a person sees when the gateway is up: where it is, two tokens, and commands to paste into a terminal. */

/** Ready-made tokens, where the key to sign with is ours. */
export interface DemoTokens {
  readonly viewer: string
  readonly editor: string
}

export interface BannerOptions {
  readonly url: string
  /** Where the data is, in words. */
  readonly database: string
  readonly workspace: string
  readonly tokens?: DemoTokens | undefined
}

export function banner({ url, database, workspace, tokens }: BannerOptions): string {
  const place = [`Sluice listens on ${url}`, '', `  Database   ${database}`, `  API        ${url}/docs`]
  if (!tokens) return `${place.join('\n')}\n`
  const { viewer, editor } = tokens
  return `${[
    ...place,
    `  Page       ${url}/#token=${editor}`,
    '',
    `Watch the feed of workspace '${workspace}':`,
    '',
    `  curl -N ${url}/api/events -H 'Accept: text/event-stream' -H 'Authorization: Bearer ${viewer}'`,
    '',
    'Change something, in another terminal:',
    '',
    `  curl ${url}/api/items -H 'Authorization: Bearer ${editor}' \\`,
    `    -H 'Content-Type: application/json' -d '{"part_number":"A01-0001","description":"Bracket","item_type":"part"}'`,
    '',
    `The first token is a viewer's, the second an editor's; both are good for 30 days. Stop with Ctrl-C.`,
  ].join('\n')}\n`
}
