# The server's image: Python, the locked packages and this package, without a compiler or pip.
# `make image-test` builds and runs it. Contents and sizes: docs/deployment.md.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1
WORKDIR /src

# Packages first: they change less often than the code, so this layer is cached.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/rtc-server \
    && python -m pip --python /opt/rtc-server/bin/python install --require-hashes --no-deps -r requirements.lock
# Remove what the server never imports: the packages' own tests, OpenCV's cascades, MediaPipe's tasks, and its models of
# hands, poses and objects.
RUN cd /opt/rtc-server/lib/python3.*/site-packages \
    && find . -depth -type d \( -name tests -o -name test -o -name testing \) -exec rm -r {} + \
    && find mediapipe/modules -mindepth 1 -maxdepth 1 ! -name "face_*" -exec rm -r {} + \
    && rm -r cv2/data mediapipe/model_maker mediapipe/tasks numpy/distutils numpy/f2py
RUN python -m venv /opt/builder \
    && /opt/builder/bin/python -m pip install --require-hashes --no-deps -r requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY rtc_server rtc_server
COPY static static
COPY turn turn
RUN /opt/builder/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheels . \
    && python -m pip --python /opt/rtc-server/bin/python install --no-deps --no-index /opt/wheels/*.whl
# Importing compiles only the modules that are used: 20 MB instead of 50.
RUN /opt/rtc-server/bin/python -I -c "import rtc_server.app, rtc_server.commands.serve, aiomysql, aiosqlite, asyncpg" \
    && mkdir -p /opt/empty


FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="rtc-server" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/rtc-server /opt/rtc-server
# A named volume gets the owner of the folder where it is mounted. /var/lib/rtc-server is the server's state. /run/relay
# has the relay's configuration, which coturn's image reads as nobody.
COPY --from=build --chown=10001:10001 /opt/empty /var/lib/rtc-server
COPY --from=build --chown=65534:65534 /opt/empty /run/relay

# The server may write to its state and to /tmp, which is in memory.
ENV PATH=/opt/rtc-server/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    RTC_HOST=0.0.0.0 \
    RTC_PORT=8080
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/rtc-server
EXPOSE 8080/tcp
# On SIGTERM the server ends its peers and stores their sessions.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/opt/rtc-server/bin/python", "-I", "-c", "import os, ssl, urllib.request; scheme = 'https' if os.environ.get('RTC_TLS_CERTIFICATE') else 'http'; urllib.request.urlopen(f'{scheme}://127.0.0.1:{os.environ[\"RTC_PORT\"]}/healthz', timeout=2, context=ssl._create_unverified_context())"]
ENTRYPOINT ["rtc-server"]
CMD ["serve"]
