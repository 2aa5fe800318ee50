# Dependabot moves tag and digest of this line, the only one with an image from outside. A rebuild changes nothing by
# itself: Debian's and Python's fixes come with such a move.
FROM docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS base

FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONPYCACHEPREFIX=/opt/taskpulse/bytecode
WORKDIR /build

COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv --without-pip /opt/taskpulse \
    && pip --python /opt/taskpulse/bin/python install --no-compile --no-deps --only-binary :all: --require-hashes -r requirements/run.txt \
    && pip install --no-compile --no-deps --only-binary :all: --require-hashes -r requirements/build.txt

COPY LICENSE README.md pyproject.toml ./
COPY app app
COPY docs/guides app/http/guides
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/taskpulse/bin/python install --no-compile --no-deps --no-index dist/*.whl

# the base image has no bytecode of the standard library, and a read-only root cannot keep any
RUN stdlib="$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x '/(test|idlelib|tkinter|turtledemo|ensurepip|lib2to3|pydoc_data)/|/usr/.*/site-packages/' "$stdlib" /opt/taskpulse/lib

FROM base
COPY --from=build /opt/taskpulse /opt/taskpulse
ENV PATH=/opt/taskpulse/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/taskpulse/bytecode
USER 10001:10001
EXPOSE 8000
CMD ["taskpulse", "serve"]

ARG REVISION=unknown
ENV REVISION=$REVISION IMAGE_REVISION=$REVISION
LABEL org.opencontainers.image.title="TaskPulse" \
      org.opencontainers.image.description="A task API whose workers have a pulse" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="$REVISION"
