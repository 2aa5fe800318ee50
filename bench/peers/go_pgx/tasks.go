package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type store struct{ pool *pgxpool.Pool }

func open(database string) (*store, error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 10
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	return &store{pool}, err
}

func one(rows pgx.Rows, err error) (Task, error) {
	if err != nil {
		return Task{}, err
	}
	task, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Task])
	task.CreatedAt, task.UpdatedAt = task.CreatedAt.UTC(), task.UpdatedAt.UTC()
	return task, err
}

func (s *store) read(w http.ResponseWriter, r *http.Request, _ string) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		problem(w, http.StatusNotFound, "there is no such task")
		return
	}
	task, err := one(s.pool.Query(r.Context(), "select "+columns+" from tasks where id = $1", id))
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("ETag", strconv.Quote(strconv.FormatInt(task.Version, 10)))
	writeJSON(w, http.StatusOK, task)
}

var filters = map[string]string{
	"status":   "status = $%d::task_status",
	"assignee": "assignee = $%d",
	"label":    "labels::text[] @> array[$%d]::text[]",
	"q":        "search @@ websearch_to_tsquery('english', $%d)",
}

func (s *store) list(w http.ResponseWriter, r *http.Request, _ string) {
	query, limit := r.URL.Query(), 50
	if given := query.Get("limit"); given != "" {
		var err error
		if limit, err = strconv.Atoi(given); err != nil || limit < 1 || limit > 200 {
			problem(w, http.StatusBadRequest, "limit is 1 to 200")
			return
		}
	}
	values, conditions := []any{limit + 1}, []string{"true"}
	for name, condition := range filters {
		if value := query.Get(name); value != "" {
			values = append(values, value)
			conditions = append(conditions, fmt.Sprintf(condition, len(values)))
		}
	}
	statement := "select " + columns + " from tasks where " + strings.Join(conditions, " and ") +
		" order by created_at desc, id desc limit $1"
	rows, err := s.pool.Query(r.Context(), statement, values...)
	if err != nil {
		fail(w, err)
		return
	}
	tasks, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Task])
	if err != nil {
		fail(w, err)
		return
	}
	var next *string
	if len(tasks) > limit {
		tasks = tasks[:limit]
		last := tasks[limit-1]
		cursor := base64.RawURLEncoding.EncodeToString([]byte(last.CreatedAt.Format(time.RFC3339Nano) + last.ID.String()))
		next = &cursor
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": tasks, "next_cursor": next})
}

const written = "insert into history (task_id, version, action, actor, before, after) values ($1, $2, $3, $4, $5, $6)"

func (s *store) create(w http.ResponseWriter, r *http.Request, actor string) {
	sent := newTask{Status: "open", Priority: "normal", Labels: []string{}, Payload: json.RawMessage("{}"), MaxAttempts: 3}
	if err := decode(r, &sent); err != nil || !sent.valid() {
		problem(w, http.StatusBadRequest, "the body is not a task")
		return
	}
	var task Task
	err := pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) (err error) {
		task, err = one(tx.Query(r.Context(),
			`insert into tasks (title, description, status, priority, assignee, labels, due_at, payload, max_attempts)
			values ($1, $2, $3::text::task_status, $4::text::task_priority, $5, $6::text[], $7, $8, $9) returning `+columns,
			sent.Title, sent.Description, sent.Status, sent.Priority, sent.Assignee, sent.Labels, sent.DueAt, sent.Payload,
			sent.MaxAttempts))
		if err == nil {
			_, err = tx.Exec(r.Context(), written, task.ID, task.Version, "created", actor, nil, task)
		}
		return err
	})
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Location", "/v1/tasks/"+task.ID.String())
	writeJSON(w, http.StatusCreated, task)
}

func (s *store) update(w http.ResponseWriter, r *http.Request, actor string) {
	id, err := uuid.Parse(r.PathValue("id"))
	var patch taskPatch
	if err != nil || decode(r, &patch) != nil {
		problem(w, http.StatusBadRequest, "the body is not a change of a task")
		return
	}
	var task Task
	err = pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) error {
		old, err := one(tx.Query(r.Context(), "select "+columns+" from tasks where id = $1 for update", id))
		if err != nil {
			return err
		}
		before, after := map[string]any{}, map[string]any{}
		changed := old
		if patch.Title != nil && *patch.Title != old.Title {
			before["title"], after["title"], changed.Title = old.Title, *patch.Title, *patch.Title
		}
		if patch.Priority != nil && *patch.Priority != old.Priority {
			before["priority"], after["priority"], changed.Priority = old.Priority, *patch.Priority, *patch.Priority
		}
		task, err = one(tx.Query(r.Context(),
			`update tasks set title = $2, priority = $3::text::task_priority, updated_at = clock_timestamp(),
			version = version + 1 where id = $1 returning `+columns, id, changed.Title, changed.Priority))
		if err == nil {
			_, err = tx.Exec(r.Context(), written, id, task.Version, "updated", actor, before, after)
		}
		return err
	})
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("ETag", strconv.Quote(strconv.FormatInt(task.Version, 10)))
	writeJSON(w, http.StatusOK, task)
}
