/**
 * Runs the reference server of Durable Streams from the package that its first argument names, on a free port: in memory, or with the files
 * of the folder in the second argument.
 */
import { pathToFileURL } from 'node:url'

const [file = '', dataDir] = process.argv.slice(2)
const { DurableStreamTestServer } = Object(await import(pathToFileURL(file).href))
const server = new DurableStreamTestServer({ port: 0, ...(dataDir && { dataDir }) })
console.log(`listens on ${await server.start()}\n`)
