// goroutines.go - Go, whose runtime has threads, waits and signals of its own: an
// HTTP server and 50 clients, look-ups, children, a signal.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		io.WriteString(w, "Hello, World!\n")
	}))
	_, port, _ := net.SplitHostPort(l.Addr().String())
	var wg sync.WaitGroup
	var mu sync.Mutex
	right := 0
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := http.Get("http://localhost:" + port + "/")
			if err != nil {
				fmt.Println(err)
				return
			}
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			mu.Lock()
			if string(b) == "Hello, World!\n" {
				right++
			}
			mu.Unlock()
		}()
	}
	wg.Wait()
	fmt.Println("right", right)
	out, err := exec.Command("sh", "-c", "sleep 0.02; echo child").Output()
	fmt.Print(string(out))
	if err != nil {
		fmt.Println(err)
	}
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-came)
}
