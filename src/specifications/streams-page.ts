/**
 * The description of the streams as a page: everything that /asyncapi.json says, as HTML without scripts. All texts are escaped, and
 * the policy allows nothing but the page's own style.
 */
import { createHash } from 'node:crypto'
import type { AsyncApi } from './asyncapi.js'

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 60rem }
h1, h2, h3 { line-height: 1.25 }
h2 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1.5rem }
code, pre { font: 0.875rem/1.5 ui-monospace, monospace }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: 0.25rem; padding: 0.5rem; margin: 0.5rem 0 }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid var(--line); padding: 0.375rem 0.75rem 0.375rem 0; text-align: start; vertical-align: top }
details { margin: 0.5rem 0 }
summary { cursor: pointer }
`

export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** HTML, which is inserted as it is. */
class Markup {
  constructor(readonly source: string) {}
}
type Part = Markup | readonly Markup[] | string | number | undefined

type Members = Readonly<Record<string, unknown>>

export function streamsPage(document: AsyncApi, prefix: string): string {
  const { channels } = document
  const info = membersOf(document.info)
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sluice: streams</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<h1>The streams of this gateway</h1>
<p>${text(info.description)} Version ${text(info.version)}.</p>
<p><a href="${prefix}/docs">The other routes</a> · <a href="${prefix}/asyncapi.json">AsyncAPI document</a> · <a href="${prefix}/schemas">JSON Schemas of the built-in events</a></p>
<nav><ul>${Object.entries(channels).map(([name, { title }]) => html`<li><a href="#${name}">${text(title)}</a></li>`)}</ul></nav>
${Object.entries(channels).map(([name, channel]) => channelSection(name, channel, document, prefix))}
</body>
</html>
`.source
}

function channelSection(name: string, channel: Members, document: AsyncApi, prefix: string): Markup {
  const own = Object.entries(document.operations).filter(
    ([, { channel: of }]) => membersOf(of).$ref === `#/channels/${name}`,
  )
  const parameters = Object.entries(membersOf(channel.parameters))
  return html`<h2 id="${name}">${text(channel.title)}</h2>
<p>${text(channel.description)}</p>
<pre>GET ${prefix}${text(channel.address)}</pre>
${
  parameters.length > 0
    ? table(
        ['in the path', ''],
        parameters.map(([parameter, schema]) => [parameter, text(membersOf(schema).description)]),
      )
    : undefined
}
${own.map(([id, operation]) => operationSection(id, operation, document))}
`
}

function operationSection(id: string, operation: Members, { components: { messages } }: AsyncApi): Markup {
  const { properties, required } = membersOf(membersOf(membersOf(operation.bindings).http).query)
  const needed = Array.isArray(required) ? required : []
  const headers = membersOf(membersOf(operation['x-sluice-request-headers']).properties)
  const rows = [
    ...Object.entries(headers).map(([name, schema]) => row(`${name}: `, schema, name === 'Accept')),
    ...Object.entries(membersOf(properties)).map(([name, schema]) =>
      row(`?${name}=`, schema, needed.includes(name)),
    ),
  ]
  const sent = Array.isArray(operation.messages) ? operation.messages : []
  return html`<h3 id="${id}">${text(operation.title)}</h3>
<details><summary>Request: <code>${id}</code></summary>${table(['', '', ''], rows)}</details>
<details><summary>${sent.length} messages</summary>${sent.map(({ $ref }) => messageSection(membersOf(messages[keyIn($ref)])))}</details>
`
}

function row(name: string, schema: unknown, required: boolean): (Markup | string)[] {
  const { const: value, description, enum: values } = membersOf(schema)
  const said = value ?? (Array.isArray(values) ? values.join(', ') : '')
  return [
    html`<code>${name}${text(value === undefined ? '' : said)}</code>`,
    required ? 'required' : '',
    text(description),
  ]
}

function messageSection(message: Members): Markup {
  const { 'x-sluice-schema': schema, examples } = message
  const [example] = Array.isArray(examples) ? examples : []
  return html`<p><strong>${text(message.name)}</strong> ${text(message.summary)}${
    typeof schema === 'string' ? html` <a href="${schema}">Schema</a>` : undefined
  }</p>
<pre>${JSON.stringify(membersOf(example).payload)}</pre>
`
}

function table(head: readonly string[], rows: readonly (readonly (Markup | string)[])[]): Markup {
  return html`<table>${head.some(Boolean) ? html`<thead><tr>${head.map(cell => html`<th>${cell}</th>`)}</tr></thead>` : undefined}<tbody>${rows.map(
    cells => html`<tr>${cells.map(cell => html`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table>`
}

function keyIn(reference: unknown): string {
  return String(reference).split('/').at(-1) ?? ''
}

function text(value: unknown): string {
  return value === undefined ? '' : String(value)
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/** The template with its parts inserted: texts escaped, with `…` as code, and markup as it is. */
function html(template: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(template.map((literal, at) => `${literal}${inserted(parts[at])}`).join(''))
}

function inserted(part: Part): string {
  if (part instanceof Markup) return part.source
  if (typeof part === 'object') return part.map(({ source }) => source).join('\n')
  return escaped(text(part)).replace(/`([^`]+)`/g, '<code>$1</code>')
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(plain: string): string {
  return plain.replace(/[&<>"']/g, character => ESCAPES[character] ?? character)
}
