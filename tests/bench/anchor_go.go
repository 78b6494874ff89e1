// anchor_go.go - goroutines: the same work by the Go runtime
//
// Prints "key value" lines as bench.h does.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const alive = 1000

type clock struct{ wall, cpu float64 }

func now() clock {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return clock{
		float64(time.Now().UnixNano()),
		float64(used.Utime.Nano() + used.Stime.Nano()),
	}
}

func report(start clock, count int) {
	end := now()
	fmt.Printf("cpu_ns %.3f\n", (end.cpu-start.cpu)/float64(count))
	fmt.Printf("wall_ns %.3f\n", (end.wall-start.wall)/float64(count))
}

// memory is RSS with page tables, in bytes.
func memory() float64 {
	total := 0
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			kb, _ := strconv.Atoi(strings.Fields(line)[1])
			total += kb * 1024
		}
	}
	return float64(total)
}

func yield(count int) {
	stop := false
	go func() {
		for !stop {
			runtime.Gosched()
		}
	}()
	runtime.Gosched()
	start := now()
	for i := 0; i < count/2; i++ {
		runtime.Gosched()
	}
	report(start, count)
	stop = true
	runtime.Gosched()
}

// Hand-over by a pair of channels, the counterpart of mutex and condition.
func handover(count int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for value := range there {
			back <- value
		}
	}()
	start := now()
	for i := 0; i < count/2; i++ {
		there <- i
		<-back
	}
	report(start, count)
}

func spawn(count int) {
	var group sync.WaitGroup
	start := now()
	for i := 0; i < count; i++ {
		group.Add(1)
		go group.Done()
		group.Wait()
	}
	report(start, count)
}

func spawnMany(count int) {
	var group sync.WaitGroup
	start := now()
	for round := 0; round < count/alive; round++ {
		group.Add(alive)
		for i := 0; i < alive; i++ {
			go group.Done()
		}
		group.Wait()
	}
	report(start, count)
}

func parked(count int) {
	never := make(chan int)
	runtime.GC()
	before := memory()
	for i := 0; i < count; i++ {
		go func() { <-never }()
	}
	time.Sleep(300 * time.Millisecond)
	fmt.Printf("bytes %.1f\n", (memory()-before)/float64(count))
}

// One producer, one consumer, a channel of 128.
func queue(count int) {
	items := make(chan *int, 128)
	start := now()
	go func() {
		for i := 0; i < count; i++ {
			items <- &count
		}
	}()
	for i := 0; i < count; i++ {
		<-items
	}
	report(start, count)
}

// The nearest to a semaphore of one: a channel of one.
func semaphore(count int) {
	permit := make(chan struct{}, 1)
	done := make(chan struct{})
	play := func() {
		for i := 0; i < count/2; i++ {
			permit <- struct{}{}
			runtime.Gosched()
			<-permit
		}
		done <- struct{}{}
	}
	start := now()
	go play()
	go play()
	<-done
	<-done
	report(start, count)
}

// Sleepers of up to 100 ms, again and again.
func timer(count int) {
	sleepers := 100000
	if len(os.Args) > 3 {
		sleepers, _ = strconv.Atoi(os.Args[3])
	}
	rounds := count / sleepers
	var group sync.WaitGroup
	group.Add(sleepers)
	for i := 0; i < sleepers; i++ {
		go func(i int) {
			for round := 0; round <= rounds; round++ {
				time.Sleep(time.Duration((i*7919+round*104729)%100000) *
					time.Microsecond)
			}
			group.Done()
		}(i)
	}
	runtime.Gosched()
	start := now()
	group.Wait()
	report(start, rounds*sleepers)
}

func main() {
	cases := map[string]func(int){
		"queue": queue, "semaphore": semaphore, "timer": timer,
		"yield": yield, "handover": handover, "spawn": spawn,
		"spawn-many": spawnMany, "parked": parked,
	}
	runtime.GOMAXPROCS(1)
	if len(os.Args) < 3 || cases[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: anchor_go case count")
		os.Exit(1)
	}
	count, _ := strconv.Atoi(os.Args[2])
	cases[os.Args[1]](count)
}
