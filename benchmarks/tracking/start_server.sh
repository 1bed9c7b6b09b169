#!/bin/sh
# Starts a tracking server for several machines, on Debian or Ubuntu: runs go to PostgreSQL, which is
# installed and set up on first use, and artifacts to a folder or a bucket.
#
#   start_server.sh ARTIFACTS PORT, as a user who may use sudo, or as root
#
# The database belongs to this user, who logs in by a local socket, so there is no password.
set -eu

case $1 in *:* | /*) artifacts=$1 ;; *) artifacts=$PWD/$1 ;; esac
port=$2
database=recurrent_zoo

as() ( # USER COMMAND...
  user=$1
  shift
  cd / # which every user may read
  if [ "$(id -u)" = 0 ]; then runuser -u "$user" -- "$@"; else sudo -u "$user" "$@"; fi
)

if ! ls /usr/lib/postgresql/*/bin/postgres > /dev/null 2>&1; then
  echo "Installing PostgreSQL ..."
  as root apt-get update -qq
  as root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql > /dev/null
fi
if ! as postgres pg_isready -q; then
  echo "Starting PostgreSQL ..."
  as root service postgresql start > /dev/null
  until as postgres pg_isready -q -t 30; do sleep 1; done
fi
as postgres psql -qAt -c "SELECT 1 FROM pg_roles WHERE rolname = '$(id -un)'" | grep -q 1 ||
  as postgres createuser "$(id -un)"
as postgres psql -qAt -c "SELECT 1 FROM pg_database WHERE datname = '$database'" | grep -q 1 ||
  as postgres createdb --owner "$(id -un)" "$database"

address=$(hostname -I | cut -d ' ' -f 1)
echo "Starting the tracking server. Elsewhere: export MLFLOW_TRACKING_URI=http://$address:$port"
# A worker that starts while the processors are busy answers late; it is not dead.
exec mlflow server --host 0.0.0.0 --port "$port" --uvicorn-opts "--timeout-worker-healthcheck 120" \
  --backend-store-uri "postgresql+psycopg2:///$database" --artifacts-destination "$artifacts"
