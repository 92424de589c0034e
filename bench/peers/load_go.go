// The contract of hearth_load with Go's net/http: one http.Client, a goroutine per slot.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type cost struct {
	when         time.Time
	user, system float64
	maxRssKib    int64
}

func now() cost {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return cost{time.Now(), float64(usage.Utime.Nano()) / 1e9, float64(usage.Stime.Nano()) / 1e9, usage.Maxrss}
}

func residentKib() int64 {
	text, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize()) / 1024
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

type program struct {
	client *http.Client
	url    string
	upload string
	size   int64
	sink   string
}

func (p *program) request() (*http.Request, *os.File) {
	if p.upload == "" {
		request, err := http.NewRequest(http.MethodGet, p.url, nil)
		if err != nil {
			fail(err)
		}
		return request, nil
	}
	file, err := os.Open(p.upload)
	if err != nil {
		fail(err)
	}
	request, err := http.NewRequest(http.MethodPut, p.url, file)
	if err != nil {
		fail(err)
	}
	request.ContentLength = p.size
	return request, file
}

// one does a request; it returns the octets of its bodies.
func (p *program) one() (int64, bool) {
	request, _ := p.request()
	response, err := p.client.Do(request)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 0, false
	}
	defer response.Body.Close()
	var to io.Writer = io.Discard
	if p.sink != "" {
		file, err := os.OpenFile(p.sink, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			fail(err)
		}
		defer file.Close()
		to = file
	}
	got, err := io.Copy(to, response.Body)
	return got + p.size, err == nil && response.StatusCode/100 == 2
}

func (p *program) idle(count int) {
	var opened sync.WaitGroup
	responses := make([]*http.Response, count)
	limit := make(chan struct{}, 128)
	for i := range responses {
		opened.Add(1)
		limit <- struct{}{}
		go func(i int) {
			defer opened.Done()
			response, err := p.client.Get(p.url)
			if err != nil {
				fail(err)
			}
			responses[i] = response
			<-limit
		}(i)
	}
	opened.Wait()
	for _, response := range responses {
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}

func main() {
	var p program
	flag.StringVar(&p.url, "url", "", "")
	flag.StringVar(&p.upload, "upload", "", "")
	ca := flag.String("ca", "", "")
	proto := flag.String("proto", "h1", "")
	concurrency := flag.Int64("concurrency", 1, "")
	requests := flag.Int64("requests", 1, "")
	warmup := flag.Int64("warmup", 0, "")
	idle := flag.Int("idle", 0, "")
	sink := flag.String("sink", "null", "")
	resume := flag.Int("resume", 1, "")
	threads := flag.Int("threads", 1, "")
	fresh := flag.Bool("new-connections", false, "")
	flag.Parse()
	runtime.GOMAXPROCS(*threads)
	p.sink = strings.TrimPrefix(*sink, "file:")
	if *sink == "null" {
		p.sink = ""
	}
	if p.upload != "" {
		about, err := os.Stat(p.upload)
		if err != nil {
			fail(err)
		}
		p.size = about.Size()
	}

	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(*ca); err == nil {
		roots.AppendCertsFromPEM(pem)
	}
	var opened, resumed int64
	settings := &tls.Config{RootCAs: roots, VerifyConnection: func(state tls.ConnectionState) error {
		atomic.AddInt64(&opened, 1)
		if state.DidResume {
			atomic.AddInt64(&resumed, 1)
		}
		return nil
	}}
	if *resume == 1 {
		settings.ClientSessionCache = tls.NewLRUClientSessionCache(256)
	}
	most := int(*concurrency)
	if *idle > 0 {
		most = *idle + 1
	}
	transport := &http.Transport{
		TLSClientConfig: settings, MaxIdleConns: most, MaxIdleConnsPerHost: most,
		DisableCompression: true, DisableKeepAlives: *fresh, ForceAttemptHTTP2: *proto == "h2",
		ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
	}
	if *idle > 0 {
		transport.ReadBufferSize, transport.WriteBufferSize = 0, 0
	}
	p.client = &http.Client{Transport: transport}

	report := map[string]any{"requests": *requests, "errors": 0, "bytes": 0, "p50_us": 0, "p99_us": 0,
		"first_us": 0, "rss0_kib": 0, "rss_idle_kib": 0, "ok": 0}
	begin := now()
	if *idle > 0 {
		p.idle(1)
		report["rss0_kib"] = residentKib()
		p.idle(*idle + 1)
		time.Sleep(300 * time.Millisecond)
		report["rss_idle_kib"] = residentKib()
		report["ok"] = *idle + 2
	} else {
		all := *warmup + *requests
		latencies := make([]int64, all)
		var next, ok, bytes int64
		run := func(until int64) {
			var group sync.WaitGroup
			for slot := int64(0); slot < *concurrency; slot++ {
				group.Add(1)
				go func() {
					defer group.Done()
					for {
						index := atomic.AddInt64(&next, 1) - 1
						if index >= until {
							return
						}
						started := time.Now()
						got, good := p.one()
						latencies[index] = time.Since(started).Microseconds()
						atomic.AddInt64(&bytes, got)
						if good {
							atomic.AddInt64(&ok, 1)
						}
					}
				}()
			}
			group.Wait()
			next = until
		}
		run(*warmup)
		ok, bytes = 0, 0
		begin = now()
		run(all)
		first := latencies[0]
		measured := latencies[*warmup:]
		sort.Slice(measured, func(i, j int) bool { return measured[i] < measured[j] })
		report["ok"], report["errors"], report["bytes"] = ok, *requests-ok, bytes
		report["first_us"] = first
		report["p50_us"] = measured[len(measured)/2]
		report["p99_us"] = measured[len(measured)*99/100]
	}
	end := now()
	report["wall_s"] = end.when.Sub(begin.when).Seconds()
	report["cpu_user_s"] = end.user - begin.user
	report["cpu_sys_s"] = end.system - begin.system
	report["rps"] = float64(*requests) / end.when.Sub(begin.when).Seconds()
	report["max_rss_kib"] = end.maxRssKib
	report["connections"] = atomic.LoadInt64(&opened)
	report["resumed"] = atomic.LoadInt64(&resumed)
	line, _ := json.Marshal(report)
	fmt.Println(string(line))
	if report["ok"] == 0 {
		os.Exit(1)
	}
}
