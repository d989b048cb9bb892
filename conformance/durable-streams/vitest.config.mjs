export default { test: { include: ['suite.test.mjs'], testTimeout: 20_000, retry: 0 } }
