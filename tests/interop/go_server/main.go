// A server on Go's net/http for the interop tests: bodies of any size with backpressure, trailers, early
// hints, hijacked connections, and counters of what it saw. Standard library only.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Octet i of a body is i modulo 251; the period is prime, so what is lost or doubled is noticed.
const period = 251

var pattern = makePattern()

func makePattern() []byte {
	p := make([]byte, period*1024)
	for i := range p {
		p[i] = byte(i % period)
	}
	return p
}

// counters of connections and of requests with an `x-id`.
type counters struct {
	mutex    sync.Mutex
	accepted int
	open     int
	peak     int
	ids      map[string]int
}

func (c *counters) onState(conn net.Conn, state http.ConnState) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch state {
	case http.StateNew:
		c.accepted++
		c.open++
		if c.open > c.peak {
			c.peak = c.open
		}
	case http.StateClosed, http.StateHijacked:
		c.open--
	}
}

func (c *counters) see(r *http.Request) {
	if id := r.Header.Get("x-id"); id != "" {
		c.mutex.Lock()
		c.ids[id]++
		c.mutex.Unlock()
	}
}

func (c *counters) print(w http.ResponseWriter, r *http.Request) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	most := 0
	for _, n := range c.ids {
		if n > most {
			most = n
		}
	}
	fmt.Fprintf(w, "accepted=%d open=%d peak=%d ids=%d most=%d", c.accepted, c.open, c.peak,
		len(c.ids), most)
}

func sizeOf(r *http.Request) int64 {
	n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// writePattern sends n octets of the pattern.
func writePattern(w io.Writer, n int64) {
	for n > 0 {
		piece := pattern
		if int64(len(piece)) > n {
			piece = piece[:n]
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
		n -= int64(len(piece))
	}
}

// readPattern counts the octets of a body and says whether they are those of the pattern.
func readPattern(r io.Reader) (total int64, same bool, err error) {
	buffer := make([]byte, 128*1024)
	same = true
	for {
		n, err := r.Read(buffer)
		offset := int(total % period)
		if !bytes.Equal(buffer[:n], pattern[offset:offset+n]) {
			same = false
		}
		total += int64(n)
		if err == io.EOF {
			return total, same, nil
		}
		if err != nil {
			return total, same, err
		}
	}
}

func download(w http.ResponseWriter, r *http.Request) {
	n := sizeOf(r)
	if !strings.HasPrefix(r.URL.Path, "/chunked") {
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	} else if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	writePattern(w, n)
}

func (c *counters) upload(w http.ResponseWriter, r *http.Request) {
	total, same, err := readPattern(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.see(r)
	w.Header().Set("x-framing", strings.Join(r.TransferEncoding, ","))
	fmt.Fprintf(w, "%d %t", total, same)
}

func trailers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "x-echo")
	total, _, _ := readPattern(r.Body)
	fmt.Fprintf(w, "%d", total)
	w.Header().Set("x-echo", r.Trailer.Get("x-check"))
	w.Header().Set(http.TrailerPrefix+"x-late", "unannounced")
}

func hints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("link", "</style.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	w.Header().Del("link")
	fmt.Fprint(w, "final")
}

// hijack takes the connection and sends octets of its own on it.
func hijack(w http.ResponseWriter, head string, talk func(net.Conn, io.Reader)) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head); err == nil && talk != nil {
		talk(conn, buffered)
	}
}

func upgrade(w http.ResponseWriter, r *http.Request) {
	head := "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nahead"
	hijack(w, head, func(conn net.Conn, from io.Reader) { io.Copy(conn, from) })
}

func routes(seen *counters) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		seen.see(r)
		name := ""
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		fmt.Fprintf(w, "hello %s%s", r.Proto, name)
	})
	mux.HandleFunc("/counters", seen.print)
	mux.HandleFunc("/bytes", download)
	mux.HandleFunc("/chunked", download)
	mux.HandleFunc("/upload", seen.upload)
	mux.HandleFunc("/trailers", trailers)
	mux.HandleFunc("/hints", hints)
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not this", http.StatusRequestEntityTooLarge)
	})
	mux.HandleFunc("/status/204", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/status/304", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304) })
	mux.HandleFunc("/upgrade", upgrade)
	mux.HandleFunc("/http10", func(w http.ResponseWriter, r *http.Request) {
		hijack(w, "HTTP/1.0 200 OK\r\nserver: old\r\n\r\nuntil the end", nil)
	})
	mux.HandleFunc("/until-close", func(w http.ResponseWriter, r *http.Request) {
		hijack(w, "HTTP/1.1 200 OK\r\n\r\nuntil the end", nil)
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, r *http.Request) {
		hijack(w, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", nil)
	})
	return mux
}

type settings struct {
	plain, secure, cert, key, clientCA, version string
	idle                                        time.Duration
}

func tlsConfig(s settings) *tls.Config {
	pair, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if s.version == "1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	if s.clientCA != "" {
		text, err := os.ReadFile(s.clientCA)
		if err != nil {
			log.Fatal(err)
		}
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(text)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}

func main() {
	var s settings
	flag.StringVar(&s.plain, "plain", "", "address for plaintext")
	flag.StringVar(&s.secure, "tls", "", "address for TLS")
	flag.StringVar(&s.cert, "cert", "", "certificate chain")
	flag.StringVar(&s.key, "key", "", "private key")
	flag.StringVar(&s.clientCA, "client-ca", "", "roots of client certificates")
	flag.StringVar(&s.version, "version", "", "highest TLS version, 1.2 or 1.3")
	flag.DurationVar(&s.idle, "idle", 0, "closes connections idle for so long; 0 = never")
	flag.Parse()

	seen := &counters{ids: map[string]int{}}
	server := &http.Server{Handler: routes(seen), ConnState: seen.onState, IdleTimeout: s.idle}
	failed := make(chan error)
	if s.plain != "" {
		go func() {
			listener, err := net.Listen("tcp", s.plain)
			if err != nil {
				log.Fatal(err)
			}
			failed <- server.Serve(listener)
		}()
	}
	if s.secure != "" {
		go func() {
			listener, err := tls.Listen("tcp", s.secure, tlsConfig(s))
			if err != nil {
				log.Fatal(err)
			}
			failed <- server.Serve(listener)
		}()
	}
	log.Fatal(<-failed)
}
