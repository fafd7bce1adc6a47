ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The environment that the image gets has neither pip nor what builds; that is in one of its own.
RUN python -m venv --without-pip /opt/tts-aws-exporter && python -m venv /build
COPY requirements.txt requirements-build.txt ./
RUN pip --python /opt/tts-aws-exporter/bin/python install --no-deps --require-hashes --only-binary :all: \
      -r requirements.txt \
 && /build/bin/pip install --no-deps --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/tts-aws-exporter/bin/python install --no-deps --no-index /wheel/*.whl

FROM ${PYTHON_IMAGE}
ARG REVISION=""
LABEL org.opencontainers.image.title="tts-aws-exporter" \
      org.opencontainers.image.description="Prometheus exporter for The Things Stack on AWS ECS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/tts-aws-exporter /opt/tts-aws-exporter
ENV PATH=/opt/tts-aws-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TTS_AWS_EXPORTER_REVISION="${REVISION}"
USER 65532:65532
EXPOSE 9784
STOPSIGNAL SIGTERM
# Where it listens elsewhere, or speaks TLS, the orchestrator has to ask itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 9784, timeout=4); c.request('GET', '/-/healthy'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["tts-aws-exporter"]
