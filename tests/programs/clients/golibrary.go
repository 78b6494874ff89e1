// golibrary.go - a C library written in Go: each call starts goroutines and waits
// for them.
package main

import "C"
import (
	"net"
	"sync"
	"time"
)

//export Work
func Work(n C.int) C.int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	sum := 0
	for i := 0; i < int(n); i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			time.Sleep(time.Millisecond)
			net.LookupHost("localhost")
			mu.Lock()
			sum += i
			mu.Unlock()
		}(i)
	}
	wg.Wait()
	return C.int(sum)
}

func main() {}
