#!/bin/bash
# Installs Debian packages without starting the servers among them. Runs as root.
set -u
export DEBIAN_FRONTEND=noninteractive

# invoke-rc.d and deb-systemd-invoke ask this file before they start a service; 101 means "do not".
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Servers that come with these packages are for tests: they must not start at the next boot either.
new_services=()
for service in nginx haproxy squid danted unbound; do
    installed "${service/danted/dante-server}" || new_services+=("$service")
done

apt_options=(-q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
apt-get "${apt_options[@]}" update || echo "apt-get update failed: trying with the lists that are here"
apt-get "${apt_options[@]}" install --no-install-recommends "$@" </dev/null || exit 1

if command -v systemctl >/dev/null; then
    for service in "${new_services[@]}"; do
        systemctl disable "$service" >/dev/null 2>&1 || true
    done
fi
