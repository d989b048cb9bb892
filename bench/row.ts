/** The options and the result of a bench. */

/** At default size all benches together take less than ten minutes. */
export type Size = 'default' | 'full'

/** One measured row; all rows of a bench have the same columns. */
export type Row = Readonly<Record<string, string | number>>
