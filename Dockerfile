# A gateway and only what it needs: production packages without the embedded Postgres, which NODE_ENV=production refuses
# anyway, and only the compiled rooms that server/main.ts imports.

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /sluice
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.product.json ./
COPY scripts scripts
COPY src src
COPY plugins plugins
COPY routes routes
COPY server server
COPY clients clients
COPY console console
RUN npm run build

# The documentation as a site, with the files of the repository to which it links.
COPY README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE Dockerfile docker-compose.yml ./
COPY docs docs
COPY bench bench
COPY conformance conformance
COPY deploy deploy
COPY examples examples
COPY migrations migrations
COPY test test
RUN npm run docs

FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /sluice
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional

# With the client of Kubernetes, and what it needs in the versions of the lock file.
FROM packages AS runner-packages
RUN npm install --omit=dev --omit=optional --save-prod --save-exact @kubernetes/client-node@1.4.0

FROM node:24.21.0-bookworm-slim AS gateway
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
WORKDIR /sluice
COPY package.json LICENSE ./
COPY migrations migrations
COPY --from=packages /sluice/node_modules node_modules
COPY --from=build /sluice/dist/src dist/src
COPY --from=build /sluice/dist/plugins dist/plugins
COPY --from=build /sluice/dist/routes dist/routes
COPY --from=build /sluice/dist/server dist/server
COPY --from=build /sluice/dist/clients dist/clients
COPY --from=build /sluice/dist/console dist/console
COPY --from=build /sluice/docs-site docs-site
# root keeps the files, so that the process cannot change its own code.
USER node
EXPOSE 8080
# Liveness, not readiness: restarting a gateway does not fix its database.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then(answer => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# As process 1 it handles its own signals: SIGTERM ends its streams, then the process.
CMD ["node", "dist/server/main.js"]

# `docker build --target runner`: a runner whose commands run in pods.
FROM gateway AS runner
HEALTHCHECK NONE
COPY --from=runner-packages /sluice/node_modules node_modules

FROM gateway
