# sluicegate alone: no shell, no package manager, no Python, and a user without rights.
#
#     docker build -t sluicegate .
#
# It reads a project's settings from JSON (--django-json), or is copied into the project's own image, where the
# project's Python is: COPY --from=sluicegate /usr/local/bin/sluicegate /usr/local/bin/

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin sluicegate && install -D -s target/release/sluicegate /out/sluicegate

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/sluicegate /usr/local/bin/sluicegate
USER 65532:65532
WORKDIR /etc/sluicegate
ENV SLUICEGATE_BIND=0.0.0.0:8001
EXPOSE 8001
# 503 while it drains, or where its database, cache or channel layer do not answer.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/sluicegate", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/sluicegate"]
CMD ["serve"]
