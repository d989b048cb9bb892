/** `node dist/conformance/contract/launchdarkly/serve.js [PORT]`: the test service on 127.0.0.1, until `DELETE /`. */
import { createService } from './service.js'

const port = Number(process.argv[2] ?? 8000)
createService().listen(port, '127.0.0.1', () =>
  console.log(`The test service listens at http://127.0.0.1:${port}.`),
)
