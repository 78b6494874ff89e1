// anchor_http_go.go - net/http: a hello, and one that waits for 100 ms
//
// Prints "port N" and serves until it is killed.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, "Hello, World!")
}

func waits(w http.ResponseWriter, r *http.Request) {
	time.Sleep(100 * time.Millisecond)
	hello(w, r)
}

func main() {
	http.HandleFunc("/", hello)
	http.HandleFunc("/sync", waits)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err == nil {
		fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
		err = http.Serve(listener, nil)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
