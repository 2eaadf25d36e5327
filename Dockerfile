# A static program on a base without a shell, for linux/amd64 and linux/arm64: make image, or
#   docker build --build-arg VERSION=… --build-arg COMMIT=… .
# The bases are named by tag. Who wants the very same bytes next year names the digest too, in both FROM lines:
# docker buildx imagetools inspect golang:1.26.10 shows it.

# The compiler runs on the machine that builds, and makes a program for another: nothing is emulated.
FROM --platform=${BUILDPLATFORM:-linux/amd64} golang:1.26.10 AS build
WORKDIR /src
# Where modules come from, if not from where Go looks by itself.
ARG GOPROXY
ARG GOSUMDB
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=0.2.0-dev
ARG COMMIT=unknown
ARG TARGETOS
ARG TARGETARCH
# Nothing of this machine, this folder or this hour goes into the program: two builds are the same to the byte.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config.release=$VERSION -X github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config.commit=$COMMIT" -o /out/crm-bridge ./cmd/crm-bridge
RUN mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=0.2.0-dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="crm-bridge" \
      org.opencontainers.image.description="Receives the callbacks of CRMs and keeps each as a CloudEvent in NATS JetStream" \
      org.opencontainers.image.url="https://github.com/crm-bridge/crm-bridge" \
      org.opencontainers.image.source="https://github.com/crm-bridge/crm-bridge" \
      org.opencontainers.image.documentation="https://github.com/crm-bridge/crm-bridge/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="gcr.io/distroless/static-debian12:nonroot" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY LICENSE /usr/share/doc/crm-bridge/
COPY --from=build /out/crm-bridge /usr/local/bin/
# The only place that is written to. It belongs to whom the program runs as, also where nothing is mounted.
COPY --from=build --chown=65532:65532 /out/data /data
ENV BRIDGE_DATA_DIR=/data
VOLUME /data
# As numbers, so that an orchestrator can tell that it is not root.
USER 65532:65532
# Callbacks, and where consumers reach the embedded NATS. The admin address (9090) stays on the loopback interface.
EXPOSE 8080 4222
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/crm-bridge", "check"]
ENTRYPOINT ["/usr/local/bin/crm-bridge"]
