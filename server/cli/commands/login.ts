/** `sluice login`: keeps the URL of a gateway and a credential for it, after the gateway has accepted it. */
import { text as readAll } from 'node:stream/consumers'
import { ReadStream } from 'node:tty'
import { UsageError } from '../../../src/process/usage.js'
import { callerOf, nameOfCaller } from '../caller.js'
import { ContextFile } from '../contexts/context-file.js'
import { contextName } from '../contexts/context-name.js'
import { type Call, command } from '../declaration.js'
import { withClient } from '../gateway.js'
import { checkedToken, DEFAULT_URL } from '../gateway-target.js'
import { gatewayUrl, rootOf } from '../gateway-url.js'
import { flag, value } from '../option.js'
import { ask } from '../question.js'
import type { Output } from '../terminal.js'

const options = {
  url: value('--url URL', 'the gateway; it is asked for if it is missing', { parse: gatewayUrl }),
  name: value('--name NAME', 'the name of the context (default: host and port of the gateway)', {
    parse: contextName,
  }),
  tokenStdin: flag('--token-stdin', 'read the token or API key from standard input instead of asking for it'),
}

export const loginCommand = command({
  description: `Keeps the URL of a gateway and a token or an API key for it as a context, which all commands use from then on. The
gateway must accept the credential first. The context is stored in XDG_CONFIG_HOME/sluice/contexts.json (~/.config if that is not set),
which only you can read.`,
  options,
  examples: [
    'sluice login',
    'sluice login --url https://sluice.example.com --name prod --token-stdin < operations.key',
    'sluice context list',
  ],
  exitCodes:
    '0 logged in, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers, 130 Ctrl-C',
  async run(call) {
    const { terminal, env } = call
    const file = new ContextFile(env, line => terminal.err.line(line))
    const contexts = await file.read()
    const url = rootOf(
      call.options.url ?? (await askedUrl(terminal.err, contexts.byName.get(contexts.current ?? '')?.url)),
    )
    const name = call.options.name ?? contextName(new URL(url).host.replace(/[^\w.:-]/g, ''), 'The host')
    if (isUnprotected(url)) {
      await terminal.err.line(
        `${url} is not encrypted: everybody on the way can read the credential. Use https:// if the gateway has it.`,
      )
    }
    const token = checkedToken(await givenToken(call, url), 'The input')
    const target = { url, token, tokenSource: undefined }
    const caller = await withClient(target, callerOf)
    await file.change(({ byName }) => ({
      current: name,
      byName: new Map([...byName, [name, { url, token }]]),
    }))
    const end = caller.expires_at === null ? '' : ` The credential expires at ${caller.expires_at}.`
    await terminal.err.line(
      `Logged in to ${url} as ${nameOfCaller(caller)}.${end} The context ${name} is in use now.`,
    )
    return undefined
  },
})

async function askedUrl(err: Output, suggestion = DEFAULT_URL): Promise<string> {
  const input = keyboard('--url and --token-stdin')
  const answer = await ask({ text: `URL of the gateway [${suggestion}]: `, isSecret: false }, input, err)
  return gatewayUrl(answer.trim() || suggestion, 'The URL')
}

async function givenToken({ options: { tokenStdin }, terminal }: Call<typeof options>, url: string) {
  if (tokenStdin) return (await readAll(process.stdin)).trim()
  const text = `Token or API key for ${url} (not shown): `
  return (await ask({ text, isSecret: true }, keyboard('--token-stdin'), terminal.err)).trim()
}

function keyboard(instead: string): ReadStream {
  if (process.stdin instanceof ReadStream && process.stdin.isTTY) return process.stdin
  throw new UsageError(`There is no terminal to ask at. Give ${instead}.`)
}

function isUnprotected(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}
