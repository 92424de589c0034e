// The storm with Go's net/http: the contract of hearth_storm, one client, one CPU (GOMAXPROCS 1).
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const binMs = 100

func cpuSeconds() (float64, int64) {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9, usage.Maxrss
}

type splitmix64 uint64

func (s *splitmix64) unit() float64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return float64((z^(z>>31))>>11) / (1 << 53)
}

func get(client *http.Client, ctx context.Context, url string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	response, err := client.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == 200, err
}

func main() {
	url := flag.String("url", "", "")
	ca := flag.String("ca", "", "")
	interval := flag.Int64("interval-us", 0, "")
	duration := flag.Int64("duration-s", 0, "")
	deadline := flag.Int64("deadline-ms", 0, "")
	delay := flag.Int64("delay-ms", 0, "")
	slowMs := flag.Int64("slow-ms", 0, "")
	fraction := flag.Float64("slow-fraction", 0, "")
	seed := flag.Uint64("seed", 1, "")
	h2 := flag.Bool("h2", false, "")
	maxConns := flag.Int("max-conns", 0, "")
	warm := flag.Int("warm", 0, "")
	stallAt := flag.Float64("stall-at-s", -1, "")
	stallFor := flag.Float64("stall-for-ms", 0, "")
	flag.Parse()
	if *url == "" || *interval == 0 || *duration == 0 || *deadline == 0 {
		os.Exit(64)
	}
	runtime.GOMAXPROCS(1)
	pem, err := os.ReadFile(*ca)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	var opened int64
	dialer := net.Dialer{}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: *h2,
		MaxIdleConns: 0, MaxIdleConnsPerHost: 1 << 20, MaxConnsPerHost: *maxConns,
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err == nil {
				atomic.AddInt64(&opened, 1)
			}
			return conn, err
		},
	}
	if !*h2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	client := &http.Client{Transport: transport}
	cpuBegin, _ := cpuSeconds()
	var group sync.WaitGroup
	warmRequests := *warm
	if *h2 && warmRequests > 1 {
		warmRequests = 1
	}
	for i := 0; i < warmRequests; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := get(client, context.Background(), *url+"/d/400"); err != nil {
				fmt.Fprintln(os.Stderr, "warm-up:", err)
			}
		}()
	}
	group.Wait()
	warmOpened := atomic.LoadInt64(&opened)
	cpuStart, _ := cpuSeconds()

	total := *duration * 1000000 / *interval
	bins := *duration * 1000 / binMs
	binOffered, binOk := make([]int64, bins), make([]int64, bins)
	secOk, secTimeouts, secOpened := make([]int64, *duration), make([]int64, *duration), make([]int64, *duration)
	latencies := make([]float64, 0, total)
	kinds := map[string]int64{}
	var ok, timeouts, failed, nonslow, nonslowOk, late, peak, inflight int64
	var lock sync.Mutex
	draws := splitmix64(*seed)
	start := time.Now()
	seconds, lastOpened := int64(0), warmOpened
	for i := int64(0); i < total; i++ {
		due := start.Add(time.Duration(i**interval) * time.Microsecond)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if time.Since(due) > time.Millisecond {
			late++
		}
		if now := int64(time.Since(start) / time.Second); now > seconds && seconds < *duration {
			now := atomic.LoadInt64(&opened)
			secOpened[seconds] = now - lastOpened
			lastOpened = now
			seconds++
		}
		at := float64(i**interval) / 1e6
		slow := draws.unit() < *fraction
		slow = slow || (*stallAt >= 0 && at >= *stallAt && at < *stallAt+*stallFor/1e3)
		bin, second := i**interval/(binMs*1000), i**interval/1000000
		wait := *delay
		if slow {
			wait = *slowMs
		} else {
			nonslow++
			binOffered[bin]++
		}
		if now := atomic.AddInt64(&inflight, 1); now > peak {
			peak = now
		}
		group.Add(1)
		go func() {
			defer group.Done()
			limit := due.Add(time.Duration(*deadline) * time.Millisecond)
			ctx, cancel := context.WithDeadline(context.Background(), limit)
			good, err := get(client, ctx, fmt.Sprintf("%s/d/%d", *url, wait))
			took := time.Since(due)
			cancel()
			atomic.AddInt64(&inflight, -1)
			lock.Lock()
			defer lock.Unlock()
			good = good && took <= time.Duration(*deadline)*time.Millisecond
			var network net.Error
			switch {
			case good:
				ok++
				secOk[second]++
				if !slow {
					nonslowOk++
					binOk[bin]++
				}
			case err == nil || errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &network) && network.Timeout()):
				timeouts++
				secTimeouts[second]++
			default:
				failed++
				for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(err) {
					err = cause
				}
				kinds[err.Error()]++
			}
			if !slow {
				ms := float64(*deadline)
				if good {
					ms = float64(took) / 1e6
				}
				latencies = append(latencies, ms)
			}
		}()
	}
	group.Wait()
	all := atomic.LoadInt64(&opened)
	secOpened[*duration-1] += all - lastOpened
	cpuEnd, rss := cpuSeconds()
	sort.Float64s(latencies)
	quantile := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return latencies[int(float64(len(latencies)-1)*share)]
	}
	goodput := 1.0
	if nonslow > 0 {
		goodput = float64(nonslowOk) / float64(nonslow)
	}
	line, _ := json.Marshal(map[string]interface{}{
		"sent": total, "ok": ok, "timeouts": timeouts, "errors": failed, "error_kinds": kinds,
		"nonslow": nonslow, "nonslow_ok": nonslowOk, "goodput": goodput,
		"p50_ms": quantile(0.5), "p99_ms": quantile(0.99), "p999_ms": quantile(0.999),
		"cpu_s": cpuEnd - cpuStart, "wall_s": time.Since(start).Seconds(), "cpu_warm_s": cpuStart - cpuBegin,
		"conns_warm": warmOpened, "conns_opened": all - warmOpened, "late_starts": late,
		"peak_inflight": peak, "maxrss_mb": float64(rss) / 1024,
		"sec_ok": secOk, "sec_timeouts": secTimeouts, "sec_opened": secOpened,
		"bin_ms": binMs, "bin_offered": binOffered, "bin_ok": binOk,
	})
	fmt.Println(string(line))
}
