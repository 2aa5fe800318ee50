package main

import (
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Task is a task as clients get it.
type Task struct {
	ID              uuid.UUID       `json:"id" db:"id"`
	Title           string          `json:"title" db:"title"`
	Description     *string         `json:"description" db:"description"`
	Status          string          `json:"status" db:"status"`
	Priority        string          `json:"priority" db:"priority"`
	Assignee        *string         `json:"assignee" db:"assignee"`
	Labels          []string        `json:"labels" db:"labels"`
	DueAt           *time.Time      `json:"due_at" db:"due_at"`
	RunAfter        *time.Time      `json:"run_after" db:"run_after"`
	ClaimableAt     *time.Time      `json:"claimable_at" db:"claimable_at"`
	Payload         json.RawMessage `json:"payload" db:"payload"`
	MaxAttempts     int             `json:"max_attempts" db:"max_attempts"`
	Retry           json.RawMessage `json:"retry" db:"retry"`
	UniqueKey       *string         `json:"unique_key" db:"unique_key"`
	Attempts        int             `json:"attempts" db:"attempts"`
	Fence           int64           `json:"fence" db:"fence"`
	CancelRequested bool            `json:"cancel_requested" db:"cancel_requested"`
	Result          json.RawMessage `json:"result" db:"result"`
	CreatedAt       time.Time       `json:"created_at" db:"created_at"`
	UpdatedAt       time.Time       `json:"updated_at" db:"updated_at"`
	FinishedAt      *time.Time      `json:"finished_at" db:"finished_at"`
	Version         int64           `json:"version" db:"version"`
}

const columns = `id, title, description, status::text, priority::text, assignee, labels::text[], due_at, run_after, claimable_at,
	payload, max_attempts, retry, unique_key, attempts, fence, cancel_requested, result, created_at, updated_at, finished_at, version`

type newTask struct {
	Title       string          `json:"title"`
	Description *string         `json:"description"`
	Status      string          `json:"status"`
	Priority    string          `json:"priority"`
	Assignee    *string         `json:"assignee"`
	Labels      []string        `json:"labels"`
	DueAt       *time.Time      `json:"due_at"`
	Payload     json.RawMessage `json:"payload"`
	MaxAttempts int             `json:"max_attempts"`
}

func (t *newTask) valid() bool {
	return len(t.Title) >= 1 && len(t.Title) <= 200 && len(t.Labels) <= 20 && len(t.Payload) <= 16384
}

// A nil field was not sent.
type taskPatch struct {
	Title    *string   `json:"title"`
	Priority *string   `json:"priority"`
	Assignee *string   `json:"assignee"`
	Labels   *[]string `json:"labels"`
}

type lease struct {
	Token     uuid.UUID `json:"token"`
	Fence     int64     `json:"fence"`
	Attempt   int       `json:"attempt"`
	ExpiresAt time.Time `json:"expires_at"`
	PulseS    int       `json:"pulse_every_s"`
}

type claimedTask struct {
	Task  Task  `json:"task"`
	Lease lease `json:"lease"`
}

func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(encoded)
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

func fail(w http.ResponseWriter, err error) {
	if errors.Is(err, pgx.ErrNoRows) {
		problem(w, http.StatusNotFound, "there is no such task")
		return
	}
	log.Print(err)
	problem(w, http.StatusInternalServerError, "the service failed")
}
