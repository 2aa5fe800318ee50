// The calls that the benchmark makes, by net/http and pgx.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	store, err := open(os.Getenv("DATABASE"))
	if err != nil {
		log.Fatal(err)
	}
	keys := newKeys(store.pool)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /v1/tasks/{id}", keys.require("read", store.read))
	mux.HandleFunc("GET /v1/tasks", keys.require("read", store.list))
	mux.HandleFunc("POST /v1/tasks", keys.require("write", store.create))
	mux.HandleFunc("PATCH /v1/tasks/{id}", keys.require("write", store.update))
	mux.HandleFunc("POST /v1/tasks/claim", keys.require("work", store.claim))
	mux.HandleFunc("POST /v1/tasks/{id}/complete", keys.require("work", store.complete))
	mux.HandleFunc("POST /v1/tasks/{id}/pulse", keys.require("work", store.pulse))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), mux))
}
