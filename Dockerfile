# The gateway as an image: built with everything, run with only what it needs, never as root.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/gateway
COPY requirements.lock ./
RUN /opt/gateway/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY schemas schemas
COPY config config
RUN /opt/gateway/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/cap-alert-gateway --create-home gateway
COPY --from=build /opt/gateway /opt/gateway
COPY config/gateway.toml /etc/cap-alert-gateway/gateway.toml
ENV PATH=/opt/gateway/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/cap-alert-gateway
EXPOSE 8080
STOPSIGNAL SIGTERM
# the process answers; whether it can reach its database and a provider is /readyz, which must not restart it
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/cap-alert-gateway/gateway.toml"]
