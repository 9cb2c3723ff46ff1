"""Stands for a log server: prints every message that reaches its port."""

import signal
import socket
import sys

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 5514))
print("collecting")
while True:
    message, _ = server.recvfrom(65536)
    print(message.decode().rstrip())
