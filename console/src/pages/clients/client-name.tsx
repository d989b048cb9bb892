/** A client in the first column: its principal, with the address and the credentials behind it. */
export interface ClientNameProps {
  readonly principal: string
  readonly role: string
  readonly address: string | null
  readonly credential: string | null
}

export function ClientName({ principal, role, address, credential }: ClientNameProps) {
  return (
    <>
      {principal}
      <span class="hint block">
        {role}, {address ?? 'unknown address'}
        {credential !== null && (
          <>
            , <code>{credential}</code>
          </>
        )}
      </span>
    </>
  )
}

export interface StreamNameProps {
  readonly stream: string
  readonly dialect: string
  readonly encoding: string
  readonly filter: { readonly types: readonly string[] | null; readonly where: string | null } | null
  readonly granted_types: readonly string[] | null
}

/** The stream of a client, with what it gets of it. */
export function StreamName({ stream, dialect, encoding, filter, granted_types }: StreamNameProps) {
  return (
    <>
      {stream}
      <span class="hint block">{dialect === 'sluice' ? encoding : `${dialect}, ${encoding}`}</span>
      {filter?.types && <span class="hint block">types {filter.types.join(', ')}</span>}
      {filter?.where && <span class="hint block">where {filter.where}</span>}
      {granted_types && <span class="hint block">granted {granted_types.join(', ')}</span>}
    </>
  )
}
