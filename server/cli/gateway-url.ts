/** The address of a gateway as a person writes it. */
import { UsageError } from '../../src/process/usage.js'

/** @returns the URL as given. @throws {UsageError} if it cannot be a gateway's root. */
export function gatewayUrl(given: string, name: string): string {
  if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) {
    throw new UsageError(`${name} must begin with http:// or https://, such as https://sluice.example.com.`)
  }
  const { username, password, search, hash } = new URL(given)
  if (username !== '' || password !== '') {
    throw new UsageError(
      `${name} must hold neither a name nor a password. Give the credential by SLUICE_TOKEN or sluice login.`,
    )
  }
  if (search !== '' || hash !== '') {
    throw new UsageError(`${name} must be the root of a gateway, without a query.`)
  }
  return given
}

/** The URL in one spelling, without a slash at its end. */
export function rootOf(url: string): string {
  const { href } = new URL(url)
  let end = href.length
  while (href[end - 1] === '/') end -= 1
  return href.slice(0, end)
}
