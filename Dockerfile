# The server alone; its PostgreSQL is another machine's (DATABASE_URL).
FROM node:24.21.0-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc rolldown.config.ts ./
# No package that the build needs has an install script (docs/dependencies.md).
RUN npm ci --ignore-scripts
COPY src src
RUN npm run build

FROM node:24.21.0-trixie-slim
LABEL org.opencontainers.image.title="sluice" \
  org.opencontainers.image.description="Moves data between cloud buckets and annotation projects." \
  org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data MALLOC_ARENA_MAX=2
COPY LICENSE package.json ./
COPY --from=build /app/dist dist
RUN install -d -o 1000 -g 1000 -m 700 /data
VOLUME /data
# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 1000:1000
EXPOSE 4000
HEALTHCHECK --interval=10s --start-period=30s --start-interval=1s \
  CMD ["node", "-e", "fetch('http://localhost:4000/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=8", "--heap-growing-percent=30", "--no-allocation-site-pretenuring", "dist/server/main.js"]
