#!/bin/sh
# usage: scripts/build-image.sh FOLDER
# Builds the image `rtc-server` from the Dockerfile without a Docker engine. Debian's buildah keeps it in FOLDER, apart
# from the machine's other images. The base is not fetched: Debian's own packages stand in for the image that the
# Dockerfile names, and are kept in FOLDER for the next time.
set -eu
cd "$(dirname "$0")/.."
folder=$1
base=$(sed -n 's/^FROM \(python:[^ ]*\)$/\1/p' Dockerfile)
release=${base##*-}

[ "$(id -u)" = 0 ] || { echo "Building the image needs root: sudo make image-test" >&2; exit 1; }

images() { command=$1; shift; buildah --root "$folder/images" --runroot "$folder/run" "$command" "$@"; }

mkdir -p "$folder"
if ! images inspect --type image "$base" >/dev/null 2>&1; then
    # Without documentation and translations, as the named base is.
    mmdebstrap --quiet --variant=minbase --include=python3-pip,python3-venv,python-is-python3 \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$release" "$folder/base.tar"
    container=$(images from scratch)
    images add --quiet "$container" "$folder/base.tar" / >/dev/null
    images commit --quiet --rm "$container" "docker.io/library/$base" >/dev/null
    rm "$folder/base.tar"
fi
# The certificates are those of this machine, so that pip trusts what this machine trusts. The format is Docker's: the
# other one has no HEALTHCHECK.
images bud --quiet --format docker --isolation chroot --network host --pull-never \
    --volume /etc/ssl/certs:/etc/ssl/certs:ro --tag rtc-server .
