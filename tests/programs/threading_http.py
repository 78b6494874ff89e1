"""Debian's ThreadingHTTPServer, a thread for each connection.

Prints the port that the kernel chose.  GET /sleep waits 100 ms; a POST is
answered by its own body.  SIGUSR1 has a handler.
"""
import http.server
import resource
import signal
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The answer leaves in one segment: head and body in two would meet
    # Nagle's rule and the peer's delayed acknowledgement, 40 ms a request.
    wbufsize = -1

    def do_GET(self):
        if self.path == "/sleep":
            time.sleep(0.1)
        self.answer(b"Hello, World!\n")

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if len(body) == size:
            self.answer(body)

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 4096
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGUSR1, lambda *_: None)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = Server(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
