// Command rolling is a steady load, for tests/rolling: it reads, writes, streams documents and watches, and tells in lines of JSON
// on its standard output what it has called and what failed. The line `stop` on its input ends all but the watch; the next
// one is a number, of all changes that were committed, and ends it when the watch has seen so many.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"copydesk.dev/copydesk"
)

const (
	readers = 6
	writers = 2
	// pause is between two calls of one caller: the machine's cores are for the servers too.
	pause = 2 * time.Millisecond
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	addresses := strings.Split(cmp.Or(os.Getenv("COPYDESK_ADDRESSES"), "127.0.0.1:50051"), ",")
	config := filepath.Join(cmp.Or(os.Getenv("COPYDESK_CLIENTS"), ".."), "service-config.json")
	var options []grpc.DialOption
	if len(addresses) == 1 {
		// It is a balancer's, who heeds the replicas' health.
		options = append(options, grpc.WithDisableHealthCheck())
	}
	told := &report{calls: map[string]int{}, lines: json.NewEncoder(os.Stdout)}
	going, stop := context.WithCancel(context.Background())
	defer stop()

	var calls, watches sync.WaitGroup
	start := func(group *sync.WaitGroup, work func(*caller)) error {
		// A channel each: as many programs would have.
		client, err := copydesk.Connect(addresses, config, options...)
		if err != nil {
			return err
		}
		group.Go(func() {
			defer client.Close()
			work(&caller{client: client, told: told, going: going})
		})
		return nil
	}
	for number := range readers {
		if err := start(&calls, func(c *caller) { c.read(number) }); err != nil {
			return err
		}
	}
	for number := range writers {
		if err := start(&calls, func(c *caller) { c.write(number) }); err != nil {
			return err
		}
	}
	if err := start(&calls, (*caller).stream); err != nil {
		return err
	}
	committed := make(chan int, 1)
	if err := start(&watches, func(c *caller) { c.watch(committed) }); err != nil {
		return err
	}
	ticks := time.NewTicker(100 * time.Millisecond)
	go func() {
		for range ticks.C {
			told.flush()
		}
	}()

	input := bufio.NewScanner(os.Stdin)
	if !input.Scan() || input.Text() != "stop" {
		return fmt.Errorf("%q: the first line must be stop", input.Text())
	}
	stop()
	calls.Wait()
	told.flush()
	told.tell(map[string]any{"ended": true})
	if !input.Scan() {
		return fmt.Errorf("the second line must be a number")
	}
	number, err := strconv.Atoi(input.Text())
	if err != nil {
		return err
	}
	committed <- number
	watches.Wait()
	ticks.Stop()
	told.flush()
	return nil
}

// report writes what happens. Calls are counted, and told from time to time.
type report struct {
	mutex sync.Mutex
	calls map[string]int
	lines *json.Encoder
}

// ended notes the outcome of a call, and says whether it went well.
func (r *report) ended(method string, err error) bool {
	r.mutex.Lock()
	r.calls[method]++
	r.mutex.Unlock()
	if err == nil {
		return true
	}
	told := status.Convert(err)
	r.tell(map[string]any{"failed": map[string]string{"method": method, "code": told.Code().String(), "message": told.Message()}})
	return false
}

func (r *report) flush() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.calls) > 0 {
		r.write(map[string]any{"calls": r.calls})
		r.calls = map[string]int{}
	}
}

func (r *report) tell(event map[string]any) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.write(event)
}

func (r *report) write(event map[string]any) {
	if err := r.lines.Encode(event); err != nil {
		log.Fatal(err)
	}
}

// fatal says whether a watch cannot go on from where it is.
func fatal(err error) bool {
	switch status.Code(err) {
	case codes.OutOfRange, codes.InvalidArgument, codes.DataLoss:
		return true
	}
	return false
}
