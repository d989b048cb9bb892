/** What a bench is asked for, and what it gives. */

/** All benches in default size take less than ten minutes. */
export type Size = 'default' | 'full'

/** One measured row; all rows of a bench have the same columns. */
export type Row = Readonly<Record<string, string | number>>
