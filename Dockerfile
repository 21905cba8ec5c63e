# The arena as an image: `docker build --target arena --tag oversight-arena .`, and vLLM's router beside it (`--target router`).
# `make check-docker` does the steps of the stage `build` without an engine. docker-compose.yml starts the whole.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/base.txt requirements/
RUN python -m venv /opt/build
RUN /opt/build/bin/python -m pip install --quiet --require-hashes --requirement requirements/build.txt
RUN python -m venv /opt/arena
RUN /opt/arena/bin/python -m pip install --quiet --require-hashes --requirement requirements/base.txt
COPY LICENSE README.md package.json package-lock.json pyproject.toml ./
COPY scripts/assets.py scripts/build_hook.py scripts/
COPY app app
COPY models models
COPY migrations migrations
COPY templates templates
# Fetches the files that pages load by npm, which it brings along (scripts/build_hook.py).
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /src/dist
RUN /opt/arena/bin/python -m pip install --quiet --no-deps --no-index --find-links /src/dist oversight-arena

FROM python:3.13-slim AS arena
RUN useradd --system --create-home --home-dir /var/lib/arena arena
COPY --from=build /opt/arena /opt/arena
COPY scripts/container.sh /usr/local/bin/arena
ENV ARENA_HOME=/var/lib/arena/state ARENA_HOST=0.0.0.0 ARENA_PORT=8000 PYTHONUNBUFFERED=1
USER arena
WORKDIR /var/lib/arena
EXPOSE 8000
ENTRYPOINT ["arena"]
CMD ["serve"]

FROM python:3.13-slim AS router
COPY requirements/router.txt requirements/router.txt
RUN python -m venv /opt/router
RUN /opt/router/bin/python -m pip install --quiet --require-hashes --requirement requirements/router.txt
RUN useradd --system --create-home router
USER router
EXPOSE 8000
ENTRYPOINT ["/opt/router/bin/vllm-router"]
