/** Tokens for the gateway, signed with its secret. In your application, the part signs them that knows who is logged in. */
import { createHmac } from 'node:crypto'

const WORKSPACE = 'demo'
const MINUTES = 15

export interface Credentials {
  /** Writes and reads the streams of this application. It stays on the server. */
  ofServer(): string
  /** Reads the streams of one chat. */
  ofPage(chat: string): string
}

export function credentialsWith(secret: string): Credentials {
  const sign = (claims: object) => {
    const exp = Math.floor(Date.now() / 1_000) + MINUTES * 60
    const input = [
      { alg: 'HS256', typ: 'JWT' },
      { ...claims, workspace: WORKSPACE, exp },
    ]
      .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }
  return {
    ofServer: () =>
      sign({
        sub: 'ai-chat',
        role: 'editor',
        sluice: { subscribe: ['ai-chat/*'], publish: ['ai-chat/*'] },
      }),
    ofPage: chat =>
      sign({ sub: `reader-of-${chat}`, role: 'viewer', sluice: { subscribe: [`ai-chat/${chat}/*`] } }),
  }
}
