/** An explanation as text for a terminal. */
import type { RefusedClientDocument } from '../../src/clients/client-document.js'
import type { ExplainedClient, Explanation } from '../../src/explain/explanation.js'

export class ExplanationText {
  readonly #explanation: Explanation

  constructor(explanation: Explanation) {
    this.#explanation = explanation
  }

  get text(): string {
    const { cause, summary, event, clients, refused, unknown } = this.#explanation
    return [
      `${cause}: ${summary}`,
      section('Event', [
        ...field('id', `${event.id} in ${event.stream}, ${event.status}`),
        ...field('type', event.type),
        ...field('published by', event.actor),
        ...field('way', event.way),
        ...field('trace', event.traceparent),
        ...field('time', event.at),
        ...field('committed', event.committed_at),
        ...field('read', event.read_at),
        ...field('redacted', event.redacted_at),
      ]),
      section('Clients', clients.flatMap(ofClient)),
      section('Refused', refused.map(ofRefused)),
      section('Unknown', unknown),
    ]
      .filter(part => part !== '')
      .join('\n\n')
  }
}

function ofClient(client: ExplainedClient): string[] {
  const { connection, principal, address, stream, opened_at, closed_at, close_reason, cursor } = client
  const end = closed_at === null ? 'open' : `closed ${closed_at} (${close_reason})`
  return [
    `${connection}  ${principal}  ${address ?? '-'}  ${stream}  opened ${opened_at}  ${end}  cursor ${cursor}`,
    `  ${client.cause}: ${client.explanation}`,
  ]
}

function ofRefused({ principal, address, stream, refused_at, reason, limit }: RefusedClientDocument): string {
  return `${refused_at}  ${principal}  ${address ?? '-'}  ${stream}  ${reason}${limit === null ? '' : ` (${limit})`}`
}

function field(name: string, value: string | null): string[] {
  return value === null ? [] : [`${name.padEnd(13)}${value}`]
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [title, ...lines.map(line => `  ${line}`)].join('\n')
}
