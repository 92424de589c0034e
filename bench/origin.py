"""nginx as the origin of benchmarks: a throw-away certificate, free ports, a CPU of its own."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def free_ports(count):
    """Different ones."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_port():
    return free_ports(1)[0]


def wait_for_port(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"nothing listens on port {port}")


class Nginx:
    """`/` answers five octets, `/body` a file of `body_bytes`, `/put` takes a body and drops it."""

    def __init__(self, cpu, keepalive_requests=100_000_000, body_bytes=0, more_origins=0):
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.dir = tempfile.mkdtemp(prefix="hearth-bench-", dir=memory)
        os.chmod(self.dir, 0o755)  # the workers of a root nginx are nobody
        self.cpu = cpu
        self.tls_port, self.plain_port, self.end_port, self.chain_port, *self.more_ports = \
            free_ports(4 + more_origins)
        self.ca = os.path.join(self.dir, "cert.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", f"{self.dir}/key.pem", "-out", self.ca, "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, stderr=subprocess.DEVNULL)
        self.root = os.path.join(self.dir, "root.pem")
        self.make_chain()
        self.bundle = os.path.join(self.dir, "bundle.pem")
        with open(self.bundle, "w") as out:
            for part in (SYSTEM_BUNDLE, self.ca):
                if os.path.exists(part):
                    with open(part) as text:
                        out.write(text.read())
        os.mkdir(f"{self.dir}/www")
        with open(f"{self.dir}/www/body", "wb") as out:
            out.truncate(body_bytes)
        with open(f"{self.dir}/nginx.conf", "w") as out:
            out.write(self.configuration(keepalive_requests))
        self.process = None
        self.start()

    def make_chain(self):
        """chain.pem: a leaf issued by an intermediate of the root, as public servers have them."""
        authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
        leaf = "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
        for name, issuer, extensions in (("root", None, authority),
                                         ("intermediate", "root", authority),
                                         ("leaf", "intermediate", leaf)):
            stem = f"{self.dir}/{name}"
            with open(stem + ".ext", "w") as out:
                out.write(extensions)
            by = ["-signkey", stem + ".key"] if issuer is None else \
                ["-CA", f"{self.dir}/{issuer}.pem", "-CAkey", f"{self.dir}/{issuer}.key",
                 "-CAcreateserial"]
            for command in (
                    ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", stem + ".key", "-subj", f"/CN=bench {name}",
                     "-out", stem + ".csr"],
                    ["x509", "-req", "-in", stem + ".csr", "-days", "2", "-extfile",
                     stem + ".ext", "-out", stem + ".pem"] + by):
                subprocess.run(["openssl"] + command, check=True, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        with open(f"{self.dir}/chain.pem", "w") as out:
            for name in ("leaf", "intermediate"):
                with open(f"{self.dir}/{name}.pem") as text:
                    out.write(text.read())

    def configuration(self, keepalive_requests):
        # /put reads the whole body before it answers: it is buffered for an upstream that is then
        # not given it.
        more = "".join(f" listen 127.0.0.1:{port} ssl http2;" for port in self.more_ports)
        locations = f"""
    location = / {{ return 200 "hello"; }}
    location /body {{ root {self.dir}/www; sendfile on; }}
    location /put {{
      client_max_body_size 0; client_body_buffer_size 1m; proxy_request_buffering on;
      proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_pass http://127.0.0.1:{self.end_port}/;
    }}"""
        return f"""
daemon off; worker_processes 1; pid {self.dir}/pid; error_log {self.dir}/error.log;
worker_rlimit_nofile 65536;
events {{ worker_connections 32000; }}
http {{
  access_log off; keepalive_requests {keepalive_requests}; keepalive_timeout 300s;
  client_body_temp_path {self.dir}/b; proxy_temp_path {self.dir}/p;
  fastcgi_temp_path {self.dir}/f; uwsgi_temp_path {self.dir}/u; scgi_temp_path {self.dir}/s;
  server {{
    listen 127.0.0.1:{self.tls_port} ssl http2 backlog=4096;{more}
    ssl_certificate {self.dir}/cert.pem; ssl_certificate_key {self.dir}/key.pem;
    ssl_protocols TLSv1.3;{locations}
  }}
  server {{
    listen 127.0.0.1:{self.chain_port} ssl http2 backlog=4096;
    ssl_certificate {self.dir}/chain.pem; ssl_certificate_key {self.dir}/leaf.key;
    ssl_protocols TLSv1.3;{locations}
  }}
  server {{
    listen 127.0.0.1:{self.plain_port} backlog=4096;{locations}
  }}
  server {{
    listen 127.0.0.1:{self.end_port}; location / {{ return 200 "taken"; }}
  }}
}}
"""

    def more_urls(self, path="/"):
        """The same server's, at other ports: other origins, to a client."""
        return [f"https://127.0.0.1:{port}{path}" for port in self.more_ports]

    def url(self, path="/", tls=True, chain=False):
        scheme, port = ("https", self.tls_port) if tls else ("http", self.plain_port)
        if chain:
            port = self.chain_port
        return f"{scheme}://127.0.0.1:{port}{path}"

    def start(self):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(self.cpu), "nginx", "-e", f"{self.dir}/error.log",
             "-c", f"{self.dir}/nginx.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.tls_port)

    def kill(self):
        """Ends master and workers at once, with all their connections."""
        subprocess.run(["pkill", "-KILL", "-P", str(self.process.pid)], check=False)
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
