/** esbuild writes style sheets that a page imports to a file of their own. */
declare module '*.css'
