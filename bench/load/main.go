// Load sends requests by the vegeta library and prints what came of it as one JSON object.
//
// Without -rate each connection sends its next request when the answer to the last one is there (a closed loop), with
// -rate requests start on time whatever the server does (an open loop). With -complete each claimed task is completed.
//
// With -slices it sends so many requests for each number on standard input, in a closed loop over connections that stay
// open, and prints a JSON object for each.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Claimed is the answer to a claim.
type Claimed struct {
	Items []struct {
		Task  struct{ ID string }
		Lease struct{ Token string }
	}
}

// Load is what is sent, and what is due because of answers.
type load struct {
	next     vegeta.Targeter
	claim    vegeta.Target
	pending  chan vegeta.Target
	complete bool
}

// Count is the pace of a closed loop that ends after so many requests.
type count uint64

func (most count) Pace(_ time.Duration, sent uint64) (time.Duration, bool) {
	return 0, sent >= uint64(most)
}

func (most count) Rate(time.Duration) float64 { return 0 }

func main() {
	log.SetFlags(0)
	file := flag.String("targets", "", "file of requests in vegeta's JSON format, sent in turn")
	connections := flag.Int("connections", 16, "connections, and requests at a time in a closed loop")
	rate := flag.Int("rate", 0, "requests a second of an open loop; 0: a closed loop")
	duration := flag.Duration("duration", 3*time.Second, "how long to send")
	complete := flag.Bool("complete", false, "complete each task that an answer says was claimed")
	slices := flag.Bool("slices", false, "send as many requests as each line of standard input says")
	flag.Parse()

	targets := read(*file)
	requests := load{next: vegeta.NewStaticTargeter(targets...), claim: targets[0], complete: *complete}
	if *complete {
		requests.pending = make(chan vegeta.Target, 1<<16)
		requests.next = completing(requests.pending, requests.next)
	}
	workers := uint64(*connections)
	if !*slices {
		attacker := vegeta.NewAttacker(vegeta.Workers(workers), vegeta.Connections(*connections), vegeta.Timeout(20*time.Second), limit(*rate, workers))
		requests.send(attacker, vegeta.Rate{Freq: *rate, Per: time.Second}, *duration)
		return
	}
	transport := &http.Transport{MaxIdleConnsPerHost: *connections, MaxConnsPerHost: *connections}
	client := &http.Client{Timeout: 20 * time.Second, Transport: transport}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		number, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			log.Fatal(err)
		}
		attacker := vegeta.NewAttacker(vegeta.Workers(workers), vegeta.MaxWorkers(workers), vegeta.Client(client))
		requests.send(attacker, count(number), 0)
	}
}

// Send sends, without end where duration is 0 and pace does not end it, and prints what came of it.
func (l *load) send(attacker *vegeta.Attacker, pace vegeta.Pacer, duration time.Duration) {
	var metrics vegeta.Metrics
	for result := range attacker.Attack(l.next, pace, duration, "") {
		if l.complete && strings.HasSuffix(result.URL, "/tasks/claim") {
			push(l.pending, result, l.claim)
		}
		result.Body = nil
		metrics.Add(result)
	}
	metrics.Close()
	if metrics.Success < 1 {
		log.Fatalf("not every request succeeded: %v %v", metrics.StatusCodes, metrics.Errors)
	}
	report := map[string]any{
		"requests": metrics.Requests,
		"rate":     metrics.Throughput,
		"p50_ms":   milliseconds(metrics.Latencies.P50),
		"p99_ms":   milliseconds(metrics.Latencies.P99),
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}

// In an open loop as many requests are under way as it takes.
func limit(rate int, workers uint64) func(*vegeta.Attacker) {
	if rate == 0 {
		return vegeta.MaxWorkers(workers)
	}
	return vegeta.MaxWorkers(10_000)
}

func read(file string) []vegeta.Target {
	source, err := os.Open(file)
	if err != nil {
		log.Fatal(err)
	}
	defer source.Close()
	targets, err := vegeta.ReadAllTargets(vegeta.NewJSONTargeter(source, nil, http.Header{}))
	if err != nil {
		log.Fatal(err)
	}
	return targets
}

// Completing sends the completions that are due first.
func completing(pending <-chan vegeta.Target, otherwise vegeta.Targeter) vegeta.Targeter {
	return func(target *vegeta.Target) error {
		select {
		case *target = <-pending:
			return nil
		default:
			return otherwise(target)
		}
	}
}

func push(pending chan<- vegeta.Target, result *vegeta.Result, claim vegeta.Target) {
	var claimed Claimed
	if err := json.Unmarshal(result.Body, &claimed); err != nil || len(claimed.Items) == 0 {
		log.Fatalf("nothing was claimed: %d %s", result.Code, result.Body)
	}
	for _, item := range claimed.Items {
		pending <- vegeta.Target{
			Method: http.MethodPost,
			URL:    strings.TrimSuffix(claim.URL, "claim") + item.Task.ID + "/complete",
			Body:   fmt.Appendf(nil, `{"token":%q,"result":{"pages":10}}`, item.Lease.Token),
			Header: claim.Header,
		}
	}
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration) / float64(time.Millisecond)
}
