// A web service that counts its visitors in a file, and listens where it is told to.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

const file = "/state/visits"

func visit(w http.ResponseWriter, _ *http.Request) {
	visits, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(visits, time.Now().UTC().Format(time.RFC3339))
		visits.Close()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "welcome aboard")
}

func main() {
	log.SetFlags(0)
	http.HandleFunc("GET /", visit)
	server := &http.Server{Addr: os.Getenv("LISTEN"), ReadHeaderTimeout: 5 * time.Second}
	log.Print("open for visitors")
	log.Fatal(server.ListenAndServe())
}
