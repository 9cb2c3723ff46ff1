// An HTTPS server with a certificate that nobody else knows.
package main

import (
	"encoding/pem"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:8443")
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") },
	))
	server.Listener = listener
	server.StartTLS()
	// The certificate, for whoever wants to trust it. Complaints go to stderr.
	err = pem.Encode(os.Stdout, &pem.Block{
		Type: "CERTIFICATE", Bytes: server.Certificate().Raw,
	})
	if err != nil {
		log.Fatal(err)
	}
	select {}
}
