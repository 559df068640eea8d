# syntax=docker/dockerfile:1
# Facet with everything that it needs, for `make smoke` and on. docs/ci.md has the commands.
#
#     docker build --tag facet .                                    torch for CPUs
#     docker build --tag facet:cuda --build-arg DEVICE=cuda .       torch with its CUDA libraries, several GB

ARG PYTHON=3.11

# What make, git and DVC want; an own user, whose number a mounted folder may want to be another.
FROM python:${PYTHON}-slim-bookworm AS base
ARG UID=1000
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid "${UID}" --shell /bin/bash facet \
    && install --directory --owner facet --group facet /facet
USER facet
WORKDIR /facet

# The environment of the locks, anew only when a lock changes.
FROM base AS environment
ARG DEVICE=cpu
COPY --chown=facet:facet requirements.lock requirements-torch.lock ./
COPY --chown=facet:facet tools/install tools/install
# The registry's build of torch is the one with CUDA.
RUN case "${DEVICE}" in \
        cpu) export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu ;; \
        cuda) ;; \
        *) echo "DEVICE should be cpu or cuda (got ${DEVICE})" >&2; exit 2 ;; \
    esac \
    && PIP_NO_CACHE_DIR=1 tools/install .venv

FROM base
COPY --chown=facet:facet --from=environment /facet/.venv .venv
COPY --chown=facet:facet . .
# Newer than the locks that were just copied, or make would install again.
RUN touch .venv/.installed
ENV WANDB_MODE=offline
CMD ["make", "smoke"]
