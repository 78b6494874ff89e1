"""Debian's ThreadingHTTPServer, a thread for each connection.

Prints the port that the kernel chose.  GET /sleep waits 100 ms.
"""
import http.server
import resource
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
        body = b"Hello, World!\n"
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


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = Server(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
