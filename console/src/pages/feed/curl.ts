/** Commands for a terminal that do what the page does. The token is a variable: it does not belong into a history. */
import { exactText } from '../../pieces/exact-json.ts'

export function followCommand(query: Readonly<Record<string, string | undefined>>): string {
  return [
    'TOKEN=…  # such as one that npm start prints',
    `curl -N ${quoted(addressOf('api/events', query))} \\`,
    '  -H "Accept: text/event-stream" \\',
    '  -H "Authorization: Bearer $TOKEN"',
  ].join('\n')
}

export function publishCommand(stream: string | undefined, type: string, data: unknown): string {
  return [
    'TOKEN=…  # of an editor',
    `curl ${quoted(addressOf('api/events', { stream }))} \\`,
    '  -H "Authorization: Bearer $TOKEN" \\',
    '  -H "Content-Type: application/json" \\',
    `  -d ${quoted(exactText({ type, data }))}`,
  ].join('\n')
}

/** A whole address, prefix included. */
export function addressOf(path: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const url = new URL(path, document.baseURI)
  url.hash = ''
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value)
  return url.href
}

/** The text quoted for a POSIX shell, so that no character in it has a meaning. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
