#!/bin/bash
# Two gRPC calls over hearth to a server on Debian's python3-grpcio: `bash examples/grpc.sh`.
#
# Shows a unary call, one that streams its answer, and one whose deadline passes first.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build grpc
hearth_configure build
hearth_build build examples/grpc
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$directory"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$directory/key" -out "$directory/cert" 2>/dev/null
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
/usr/bin/python3 examples/grpc_server.py "$port" "$directory/key" "$directory/cert" >"$directory/log" &
server=$!
for _ in $(seq 100); do
    grep -q ready "$directory/log" && break
    sleep 0.1
done
build/examples/grpc "https://127.0.0.1:$port" "$directory/cert"
