# The server and its worker in one image; ROLES says which it is. Nothing is compiled: all wheels are in the lock.
#   docker build -t prosa . && docker run -p 127.0.0.1:8000:8000 -e BOOTSTRAP_API_KEYS=default=change-me prosa
# The Python is the one that the tests run on; `pip --require-hashes` takes only what requirements.txt names.

FROM python:3.11.14-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/prosa
COPY requirements.txt /tmp/requirements.txt
RUN /opt/prosa/bin/pip install --require-hashes --requirement /tmp/requirements.txt \
    && /opt/prosa/bin/pip uninstall --yes pip setuptools

FROM python:3.11.14-slim-bookworm
RUN groupadd --system --gid 10001 prosa \
    && useradd --system --uid 10001 --gid prosa --no-create-home --home-dir /data --shell /usr/sbin/nologin prosa \
    && install --directory --owner=prosa --group=prosa /data
COPY --from=packages /opt/prosa /opt/prosa
WORKDIR /app
COPY . .
RUN /opt/prosa/bin/python -m compileall -q .

# HOST: all of the container's addresses; what is published is for `docker run -p` or compose to say.
# Without REDIS_URL the server keeps its own Valkey in /data: give that a volume.
ENV PATH=/opt/prosa/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/health' % os.environ['PORT'], timeout=2)"]
CMD ["python", "-m", "server"]
