# The images of EmbArk, a target each: embark, kfc, retina, operator. `make images` builds them; by hand:
#   docker build --target kfc --build-arg PACKAGE=embark-kfc .
ARG BASE_IMAGE=docker.io/library/python:3.13-slim

FROM ${BASE_IMAGE} AS build
ENV EMBARK_CACHE=/opt/embark SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/app UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY scripts/uv scripts/uv
RUN scripts/uv
COPY . .
# A package of the workspace, and one of its extras: Retina needs cpu, or cuda for onnxruntime-gpu.
ARG PACKAGE
ARG EXTRA=""
RUN --mount=type=cache,target=/root/.cache/uv \
    $(scripts/uv) sync --quiet --frozen --no-dev --no-default-groups --no-editable \
    --package "${PACKAGE}" ${EXTRA:+--extra "${EXTRA}"}

FROM ${BASE_IMAGE} AS runtime
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 USER=embark
USER 65532:65532

# The lookup server, and the command `embark`.
FROM runtime AS embark
ENTRYPOINT ["python", "-m", "embark_server"]

# KFC, and the programs of its Jobs: `python -m kfc.schema` and others.
FROM runtime AS kfc
ENTRYPOINT ["python", "-m", "kfc"]

# Retina; a volume at EMBARK_CACHE keeps downloaded models.
FROM runtime AS retina
ENV EMBARK_CACHE=/var/cache/embark
ENTRYPOINT ["python", "-m", "retina"]

FROM runtime AS operator
ENTRYPOINT ["python", "-m", "embark_operator"]
