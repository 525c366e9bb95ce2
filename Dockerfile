# The image of the service, and with other targets those of training and of the load test.
# Build it with `make image` or `docker build .`.
#
#   --build-arg BASE=…             another base image with Python 3.11 or later at /usr/local/bin/python
#   --build-arg BUNDLE=given       use the bundle in build/image-bundle instead of training (make image BUNDLE=DIR)
#   --secret id=pip_conf,src=…     a pip.conf, for another package index
#   --secret id=ca,src=…           a CA bundle, for a proxy with its own certificate
#   --secret id=apt_sources,src=…  a .sources file, for another Debian mirror
#   --secret id=apt_keyring,src=…  and the keyring of that mirror
ARG BASE=python:3.11-slim-bookworm
ARG BUNDLE=trained

# OpenMP for LightGBM, the only system library that is not in a wheel.
FROM ${BASE} AS system
# hadolint ignore=DL3008  # Debian has a single version of it
RUN --mount=type=secret,id=apt_sources,target=/etc/apt/sources.list.d/build.sources \
    --mount=type=secret,id=apt_keyring,target=/etc/apt/keyrings/build.gpg \
    apt-get update -q \
    && apt-get install -q -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log

# --no-deps: the lock has all packages that serving needs. pip would add SciPy, which only LightGBM's Python package needs;
# the service calls its C library.
FROM system AS dependencies
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
COPY requirements/serving.txt requirements/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python -m venv /opt/venv \
    && pip install --no-compile --no-deps --require-hashes -r requirements/serving.txt

# The build backend, which the final image does not have.
FROM dependencies AS build
COPY requirements/build.txt requirements/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    pip install --no-compile --require-hashes -r requirements/build.txt

FROM build AS train-dependencies
COPY requirements/training.txt requirements/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    pip install --no-compile --require-hashes -r requirements/training.txt

# `docker build --target train-tools` builds the image of the training Job and the retraining CronJob. It has only the
# modules that training imports, so that a change of the web service does not retrain the default bundle.
FROM train-dependencies AS train-tools
COPY pyproject.toml ./
COPY service/review_scorer/__init__.py service/review_scorer/
COPY service/review_scorer/compute service/review_scorer/compute
COPY service/review_scorer/corpora service/review_scorer/corpora
COPY service/review_scorer/prediction_log service/review_scorer/prediction_log
COPY service/review_scorer/scoring service/review_scorer/scoring
COPY service/review_scorer/tables service/review_scorer/tables
COPY train-corpus train-corpus
# The README is only metadata for a package index.
RUN touch README.md && pip install --no-deps --no-build-isolation --editable .
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
CMD ["python", "train-corpus/train.py", "--help"]

# `docker build --target dask-tools` builds the image of training on a Dask cluster, including scheduler and workers.
FROM train-dependencies AS dask-tools
COPY requirements/distributed.txt requirements/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    pip install --no-compile --require-hashes -r requirements/distributed.txt
COPY --from=train-tools /app /app
RUN pip install --no-deps --no-build-isolation --editable .
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
CMD ["python", "train-corpus/train.py", "--help"]

# `docker build --target stress-tools` builds the image of the load test Job.
FROM build AS stress-tools
COPY requirements/stress.txt requirements/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    pip install --no-compile --require-hashes -r requirements/stress.txt
COPY pyproject.toml ./
COPY service/review_scorer/__init__.py service/review_scorer/
COPY train-corpus/reviews.csv train-corpus/reviews.csv
COPY stress stress
RUN touch README.md && pip install --no-deps --no-build-isolation --editable .
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["python", "stress/stress-testing.py"]
CMD ["--help"]

FROM train-tools AS bundle-trained
RUN python train-corpus/train.py --corpus train-corpus/reviews.csv --group-column domain --bundle /tmp/bundle

FROM system AS bundle-given
COPY build/image-bundle /tmp/bundle

# hadolint ignore=DL3006  # a stage of this file, not an image
FROM bundle-${BUNDLE} AS bundle

# Removes files that serving does not use: pip, tests of packages, templates and source maps of Swagger UI.
# Collects the licences of the remaining packages.
FROM dependencies AS slim
COPY requirements/notices.py requirements/
RUN pip uninstall -q -y setuptools \
    && python requirements/notices.py > /opt/venv/THIRD_PARTY_NOTICES \
    && pip uninstall -q -y pip \
    && find /opt/venv -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
    && find /opt/venv -path '*/swagger_ui_bundle/vendor/*' -type f \
        ! -name swagger-ui.css ! -name swagger-ui-bundle.js -delete

# The service as a package, without the modules that only the command line and training use.
FROM build AS application
COPY pyproject.toml ./
COPY service/review_scorer service/review_scorer
RUN rm -r service/review_scorer/batch service/review_scorer/corpora \
        service/review_scorer/compute/dask_client.py service/review_scorer/compute/processes.py \
    && touch README.md \
    && pip install --no-deps --no-build-isolation --no-compile --prefix=/opt/venv --root=/installed .

FROM system AS serve
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    SCORER_HOST=0.0.0.0 \
    SCORER_PORT=4567 \
    SCORER_BUNDLE=/app/bundle
COPY --from=slim /opt/venv /opt/venv
COPY --from=bundle --chown=0:0 /tmp/bundle bundle
COPY LICENSE ./
COPY service/gunicorn.conf.py service/
COPY --from=application /installed/opt/venv /opt/venv
# Compiles the modules that serving imports, and verifies that the bundle loads.
RUN python -c "from review_scorer.app import get_app; import review_scorer.server.worker, review_scorer.healthcheck, review_scorer.prediction_log.redis_stream, gunicorn.app.wsgiapp; get_app()"
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lightgbm-clf" \
      org.opencontainers.image.description="Predicts the stars (1-5) of Japanese reviews, over HTTP" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
EXPOSE 4567
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-m", "review_scorer.healthcheck"]
ENTRYPOINT ["gunicorn", "-c", "service/gunicorn.conf.py"]
