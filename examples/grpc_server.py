#!/usr/bin/env python3
"""A gRPC server for the example and its test: grpc_server.py PORT KEY CERTIFICATE_CHAIN

demo.Greeter with messages of plain octets: Hello answers one message, Count as many as it is asked for,
Sleep waits so many seconds, Fail ends with a status. It says "ready" when it listens.
"""
import sys
import time
from concurrent import futures

import grpc


def hello(name, context):
    context.set_trailing_metadata((("x-seconds-left", str(round(context.time_remaining()))),))
    return b"hello " + name


def count(number, context):
    for i in range(int(number)):
        yield str(i).encode()


def sleep(seconds, context):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end and context.is_active():
        time.sleep(0.01)
    return b"slept"


def fail(text, context):
    context.abort(grpc.StatusCode.NOT_FOUND, text.decode())


def main():
    port, key, chain = sys.argv[1:]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.Greeter", {
        "Hello": grpc.unary_unary_rpc_method_handler(hello),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
    }),))
    with open(key, "rb") as key_file, open(chain, "rb") as chain_file:
        credentials = grpc.ssl_server_credentials([(key_file.read(), chain_file.read())])
    if server.add_secure_port(f"127.0.0.1:{port}", credentials) == 0:
        sys.exit("cannot listen")
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


main()
