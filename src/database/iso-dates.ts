/** Rows of the database as documents of the API: times as text in UTC (RFC 3339), with milliseconds. */

/** `Row` with every Date as text. */
export type IsoDates<Row> = {
  [Key in keyof Row]: Date extends Row[Key] ? Exclude<Row[Key], Date> | string : Row[Key]
}

export function withIsoDates<Row extends object>(row: Row): IsoDates<Row> {
  const members = Object.entries(row).map(([key, value]) => [
    key,
    value instanceof Date ? value.toISOString() : value,
  ])
  return Object.fromEntries(members)
}
