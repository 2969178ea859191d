# BASE is any image with python3 3.11 or newer and its venv module.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY pyproject.toml README.md /src/
COPY p2player /src/p2player
RUN python3 -m venv /opt/p2player && /opt/p2player/bin/pip install --no-cache-dir /src

FROM ${BASE}
COPY --from=build /opt/p2player /opt/p2player
RUN useradd --system --uid 7400 --create-home --home-dir /var/lib/p2player p2player
ENV PATH=/opt/p2player/bin:$PATH P2PLAYER_DATA_DIR=/var/lib/p2player
USER p2player
VOLUME /var/lib/p2player
# the endpoint runtimes pull from; the DHT (udp) and the peer interface (tcp); the swarm
EXPOSE 5050/tcp 7400/udp 7400/tcp 7401/tcp
ENTRYPOINT ["p2player"]
CMD ["serve"]
