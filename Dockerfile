# The service in a container: docs/service.md, "In a container".
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
RUN python -m venv /opt/dan \
    && /opt/dan/bin/python -m pip install --no-cache-dir --constraint constraints.txt ".[serve]"

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin dan
COPY --from=build /opt/dan /opt/dan
ENV PATH=/opt/dan/bin:$PATH \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/v1/health/ready', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["dan", "serve", "--host", "0.0.0.0", "--port", "8000"]
