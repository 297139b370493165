# The nightly run in a container: docs/operations.md. No credential is part of the image.
#   docker build --tag cloud-cost-etl .
#   docker run --rm --env-file .env --volume cloud-cost-etl:/var/lib/etl cloud-cost-etl
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONPYCACHEPREFIX=/var/lib/etl/pycache DLT_DESTINATION=clickhouse DLT_DATA_DIR=/var/lib/etl ETL_LOGS=/var/lib/etl/logs
WORKDIR /app

# the lock first: a change of the code does not install everything again. No test tools, and no
# bytecode, which Python keeps in the volume: pip takes the falsy 0 for its --no-compile
COPY requirements-run.lock ./
COPY scripts/install.sh scripts/
RUN LOCK=requirements-run.lock PIP_NO_COMPILE=0 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 sh scripts/install.sh && useradd --create-home etl && mkdir /var/lib/etl && chown etl /var/lib/etl
COPY . .

USER etl
ENTRYPOINT [".venv/bin/python", "-m", "scripts.nightly"]
CMD ["run"]
