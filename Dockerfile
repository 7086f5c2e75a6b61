# syntax=docker/dockerfile:1
# The server for container platforms; compose.yaml shows how the parts belong together.
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY . .
RUN npm run build && mkdir /package && npm pack ./dist --pack-destination /package

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /package/ /package/
RUN --mount=type=cache,target=/root/.npm npm install --omit=dev --omit=optional --no-audit --no-fund /package/*.tgz
ENV PATH=/app/node_modules/.bin:$PATH
USER node
EXPOSE 54321
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 54321}/health`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["clerk-sync", "serve", "--host", "0.0.0.0"]
