#!/bin/sh
# The command `arena` of the image. It takes secrets from files: PGPASSWORD_FILE, DATABASE_URL_FILE and ARENA_…_FILE name files,
# and the variables without _FILE are set to what they hold. So keys and passwords are in no compose file and in no `docker inspect`.
# Other variables of such names, as SSL_CERT_FILE, are left alone.
set -eu
for name in $(env | sed -nE 's/^(PGPASSWORD|DATABASE_URL|ARENA_[A-Z0-9_]*)_FILE=.*$/\1/p'); do
    path=$(printenv "${name}_FILE")
    if [ ! -r "$path" ]; then
        echo "The file $path, which ${name}_FILE names, cannot be read." >&2
        exit 2
    fi
    value=$(cat "$path")
    export "$name=$value"
    unset "${name}_FILE"
done
exec "${ARENA_PROGRAM:-/opt/arena/bin/arena}" "$@"
