/** A certificate for a host, and the authority that has signed it, made by openssl. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const KIND = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

export interface Certificate {
  readonly key: string
  readonly cert: string
  /** The authority. */
  readonly ca: string
}

/** @param names as in a certificate: `DNS:example.com`, `IP:127.0.0.1`. @param folder where the files are made. */
export async function certificateFor(names: readonly string[], folder: string): Promise<Certificate> {
  const at = (name: string) => join(folder, name)
  await writeFile(at('names'), `subjectAltName=${names.join(',')}`)
  const authority = ['-subj', '/CN=authority', '-keyout', at('ca.key'), '-out', at('ca.pem')]
  await run('openssl', ['req', '-x509', ...KIND, ...authority])
  await run('openssl', [
    'req',
    ...KIND,
    '-subj',
    '/CN=host',
    '-keyout',
    at('key.pem'),
    '-out',
    at('request.pem'),
  ])
  const signing = [
    '-CA',
    at('ca.pem'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-extfile',
    at('names'),
    '-days',
    '2',
  ]
  await run('openssl', ['x509', '-req', '-in', at('request.pem'), ...signing, '-out', at('cert.pem')])
  const [key = '', cert = '', ca = ''] = await Promise.all(
    ['key.pem', 'cert.pem', 'ca.pem'].map(name => readFile(at(name), 'utf8')),
  )
  return { key, cert, ca }
}
