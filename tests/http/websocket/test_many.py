#!/usr/bin/python3
# label: ci, http
# timeout: 600
# serial
"""10,000 WebSockets at once in one process: each is answered, and while they are
idle none costs more than 16 KB, page tables included."""
import subprocess
import sys
import time

import ws
import harness
from harness import check

COUNT = 10000
MOST_KB = 16


def expect(client, word):
    line = client.stdout.readline().strip()
    check(line == word, "the client says %r instead of %r", line, word)


def test_ten_thousand():
    with ws.server() as server:
        warm = subprocess.run([ws.program("ws_many"), str(server.port), "1"],
                              input="\n", text=True, stdout=subprocess.PIPE)
        check(warm.returncode == 0, "one does not work")
        before = server.memory_kb()
        client = subprocess.Popen(
            [ws.program("ws_many"), str(server.port), str(COUNT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        expect(client, "open")
        for rounds in range(3):
            time.sleep(6 if rounds == 0 else 0.1)
            each = (server.memory_kb() - before) / COUNT
            print("idle: %.2f KB each" % each)
            check(rounds > 0 or each <= MOST_KB, "%.2f KB each", each)
            client.stdin.write("\n")
            client.stdin.flush()
            expect(client, "echoed")
        time.sleep(6)
        each = (server.memory_kb() - before) / COUNT
        print("idle again: %.2f KB each" % each)
        check(each <= MOST_KB, "%.2f KB each when idle again", each)
        client.stdin.close()
        expect(client, "closed")
        check(client.wait(60) == 0, "the client failed")
        client.stdout.close()
        check(server.stop() == 0, "the server failed")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
