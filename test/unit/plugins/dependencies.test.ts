import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'

interface Plugin {
  readonly file: string
  readonly text: string
  readonly name: string
  readonly dependencies: readonly string[]
  readonly declares: readonly string[]
}

/** Read from the sources, so a new decoration or a new use of one is checked without a change here. */
const plugins = readdirSync(join(packageRoot, 'plugins')).flatMap(file => {
  const text = readFileSync(join(packageRoot, 'plugins', file), 'utf8')
  const [, name, list = ''] = /\bname: '([\w-]+)'(?:,\s*dependencies: \[([^\]]*)\])?,?\s*\}/.exec(text) ?? []
  if (name === undefined) return []
  const dependencies = [...list.matchAll(/'([\w-]+)'/g)].map(([, each = '']) => each)
  const declares = [...text.matchAll(/\bdecorate(?:Request|Reply)?\(\s*'(\w+)'/g)].map(
    ([, each = '']) => each,
  )
  return [{ file, text, name, dependencies, declares }] satisfies Plugin[]
})
/** What hands each part its options is above them all. */
const parts = plugins.filter(({ file }) => file !== 'gateway.ts' && file !== 'sluice.ts')

t.test('a plugin that uses a decoration names the plugin that declares it', async t => {
  const lies = parts.flatMap(user =>
    parts.flatMap(owner =>
      owner.declares
        .filter(each => owner !== user && !user.declares.includes(each) && uses(user, each))
        .filter(() => !user.dependencies.includes(owner.name))
        .map(each => `${user.file} uses ${each} of ${owner.name}`),
    ),
  )

  t.ok(parts.some(({ declares }) => declares.includes('caller')))
  t.strictSame(lies, [])
})

t.test('each dependency of a plugin exists, and its decorations are used or its order matters', async t => {
  const names = new Set(plugins.map(({ name }) => name))
  /** Not for a decoration: what the other one sets up has to be there. */
  const order = new Set(['bodies → problems', 'docs → openapi', 'headers → request-caller'])
  const idle = parts.flatMap(user =>
    user.dependencies
      .filter(name => {
        const owner = plugins.find(plugin => plugin.name === name)
        const used = owner?.declares.some(each => uses(user, each))
        const configured =
          owner && /\bconfig\b/.test(user.text) && owner.text.includes('FastifyContextConfig')
        return !used && !configured && !order.has(`${user.name} → ${name}`)
      })
      .map(name => `${user.file} names ${name}`),
  )

  t.strictSame(
    parts.flatMap(({ dependencies }) => dependencies.filter(name => !names.has(name))),
    [],
  )
  t.strictSame(idle, [])
})

/** As a member, or taken out of the app, a request or a reply. */
function uses({ text }: Plugin, name: string): boolean {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'[^'\n]*'/g, '')
  const member = new RegExp(`\\b(?:app|request|reply|this|instance)\\.${name}\\b`)
  const taken = new RegExp(
    `\\{[^{}]*\\b${name}\\b[^{}]*\\}\\s*(?:=\\s*(?:app|request|reply(?:\\.request)?)\\b(?!\\.)|:\\s*Fastify(?:Instance|Request|Reply)\\b)`,
  )
  return member.test(code) || taken.test(code)
}
