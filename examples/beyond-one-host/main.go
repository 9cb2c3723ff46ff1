// A small web service, which is told by its surroundings what to say. It also asks: as a
// health check, and as a client, so that its image needs no other program.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// version is set when the program is built; "broken" is never well.
var version = "unknown"

func main() {
	log.SetFlags(0)
	err := fmt.Errorf("usage: web | web check | web get URL")
	switch {
	case len(os.Args) == 1:
		err = serve()
	case len(os.Args) == 2 && os.Args[1] == "check":
		err = get(io.Discard, "http://127.0.0.1:8080/health")
	case len(os.Args) == 3 && os.Args[1] == "get":
		err = get(os.Stdout, os.Args[2])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// region: answer
// What differs from place to place comes in: a variable, a file, and a secret file.
func answer(w http.ResponseWriter, _ *http.Request) {
	host, _ := os.Hostname()
	motto, err := os.ReadFile("/config/motto")
	if err != nil {
		motto = []byte("none")
	}
	token, _ := os.ReadFile(os.Getenv("TOKEN_FILE"))
	fmt.Fprintf(w, "version %s, on %s\ngreeting: %s\nmotto: %s\nlength of the token: %d\n",
		version, host, os.Getenv("GREETING"), strings.TrimSpace(string(motto)), len(strings.TrimSpace(string(token))))
}

// endregion: answer

func health(w http.ResponseWriter, _ *http.Request) {
	if version == "broken" {
		http.Error(w, "this version is never well", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func get(to io.Writer, url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	found, err := client.Get(url)
	if err != nil {
		return err
	}
	defer found.Body.Close()
	if found.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, found.Status)
	}
	_, err = io.Copy(to, found.Body)
	return err
}

// serve answers until it is asked to stop.
func serve() error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", answer)
	mux.HandleFunc("GET /health", health)
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	asked, done := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer done()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("version %s listens on %s", version, server.Addr)
	select {
	case err := <-failed:
		return err
	case <-asked.Done():
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return server.Shutdown(limit)
	}
}
