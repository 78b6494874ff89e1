"""An HTTP server for requests_client.py, a thread for each connection.  Prints
the port that the kernel chose."""
import http.server
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def answer(self, status, body, *headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, _, argument = self.path.partition("?")
        getattr(self, "get_" + path.strip("/"), self.not_found)(argument)

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        self.answer(200, self.rfile.read(size))

    def not_found(self, argument):
        self.answer(404, b"not found\n")

    def get_hello(self, argument):
        self.answer(200, b"Hello, World!\n", ("Set-Cookie", "a=1"))

    def get_sleep(self, argument):
        time.sleep(float(argument))
        self.answer(200, b"slept\n")

    def get_redirect(self, argument):
        left = int(argument)
        to = "/redirect?%d" % (left - 1) if left else "/hello"
        self.answer(302, b"", ("Location", to))

    def get_chunked(self, argument):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for n in range(int(argument)):
            self.wfile.write(b"3e8\r\n" + b"c" * 1000 + b"\r\n")
            self.wfile.flush()
            if n % 20 == 0:
                time.sleep(0.001)
        self.wfile.write(b"0\r\n\r\n")

    def get_broken(self, argument):
        """Less than was promised."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half\n")
        self.close_connection = True

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
