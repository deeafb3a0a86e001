#!/bin/sh
# Installs the Debian packages that the tests drive (browsers, database servers, a TURN relay, nginx, HAProxy, PHP, npm,
# GStreamer, strace, Prometheus, Redis, systemd's tools) where they are missing and it may, else names the one command
# that does. Nothing of them is configured or used as a system service: each test starts its own, in a temporary
# directory, on a free port.
# With the argument `image`: what builds the container's image instead.
set -eu
PATH="$PATH:/usr/sbin:/sbin"

missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v firefox-esr >/dev/null || missing="$missing firefox-esr"
command -v npm >/dev/null || missing="$missing npm"
command -v mariadbd >/dev/null || missing="$missing mariadb-server"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
command -v turnserver >/dev/null || missing="$missing coturn"
command -v nginx >/dev/null || missing="$missing nginx-light"
command -v haproxy >/dev/null || missing="$missing haproxy"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v php >/dev/null || missing="$missing php-cli"
command -v node >/dev/null || missing="$missing nodejs"
gst-inspect-1.0 webrtcbin >/dev/null 2>&1 || missing="$missing gstreamer1.0-tools gstreamer1.0-plugins-bad"
gst-inspect-1.0 vp8enc >/dev/null 2>&1 || missing="$missing gstreamer1.0-plugins-good"
gst-inspect-1.0 x264enc >/dev/null 2>&1 || missing="$missing gstreamer1.0-plugins-ugly"
gst-inspect-1.0 nicesrc >/dev/null 2>&1 || missing="$missing gstreamer1.0-nice"
/usr/bin/python3 -c "import gi; gi.require_version('GstWebRTC', '1.0')" 2>/dev/null ||
    missing="$missing python3-gi gir1.2-gst-plugins-bad-1.0"
command -v strace >/dev/null || missing="$missing strace"
command -v promtool >/dev/null || missing="$missing prometheus"
command -v redis-server >/dev/null || missing="$missing redis-server"
if [ "${1:-}" = image ]; then
    missing=""
    command -v buildah >/dev/null || missing="$missing buildah"
    command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "The tests need these programs, by their Debian names, and this machine has no apt-get:$missing" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "The tests need some Debian packages. Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi

echo "Installing Debian packages:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086  # both are lists of words
if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    exit 1
fi
# Debian starts it at boot, for this host. The tests start their own.
for service in prometheus redis-server haproxy; do
    case "$missing" in *$service*) $as_root systemctl disable --now $service >/dev/null 2>&1 || true ;; esac
done
