// A web server that also checks its own health: its image needs no other program.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	// Docker notes the time of each line itself: docker logs --timestamps.
	log.SetFlags(0)
	var err error
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		// 127.0.0.1, not localhost: that name may mean ::1 first.
		url := "http://127.0.0.1:8080/health"
		if len(os.Args) > 2 {
			url = os.Args[2]
		}
		err = check(url)
	} else {
		err = serve(":8080")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// region: check
// check asks for one page, and is content with 200 OK only.
func check(url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, answer.Status)
	}
	return nil
}

// endregion: check

// region: serve
// serve answers until SIGTERM, which docker stop sends.
func serve(address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "Hello from process %d, user %d.\n", os.Getpid(), os.Getuid())
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Printf("listening on %s", address)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	select {
	case err := <-failed:
		return err
	case <-asked:
		// Requests under way may finish, but not for ever: docker stop waits 10 seconds.
		log.Print("stopping")
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return server.Shutdown(limit)
	}
}

// endregion: serve
