package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func (s *store) claim(w http.ResponseWriter, r *http.Request, actor string) {
	var sent struct {
		Worker string `json:"worker"`
		TTL    int    `json:"ttl_s"`
	}
	if err := decode(r, &sent); err != nil || sent.TTL < 1 || sent.Worker == "" {
		problem(w, http.StatusBadRequest, "the body is not a claim")
		return
	}
	claimed := claimedTask{Lease: lease{PulseS: max(1, sent.TTL/3)}}
	err := pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) (err error) {
		ctx, l := r.Context(), &claimed.Lease
		var id uuid.UUID
		err = tx.QueryRow(ctx, `select id from tasks
			where status = 'open' and (claimable_at is null or claimable_at <= now())
			order by priority desc, due_at, id limit 1 for update skip locked`).Scan(&id)
		if err != nil {
			return err
		}
		if claimed.Task, err = one(tx.Query(ctx, `update tasks set status = 'in_progress', fence = fence + 1,
			version = version + 1, updated_at = clock_timestamp() where id = $1 returning `+columns, id)); err != nil {
			return err
		}
		if err = tx.QueryRow(ctx, `insert into leases (task_id, fence, attempt, ttl_s, worker, expires_at)
			values ($1, $2, $3, $4::int, $5, clock_timestamp() + $4::int * interval '1 second')
			on conflict (task_id) do update set token = excluded.token, fence = excluded.fence, worker = excluded.worker,
				ttl_s = excluded.ttl_s, expires_at = excluded.expires_at
			returning token, fence, attempt, expires_at`,
			id, claimed.Task.Fence, claimed.Task.Attempts+1, sent.TTL, sent.Worker,
		).Scan(&l.Token, &l.Fence, &l.Attempt, &l.ExpiresAt); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, written, id, claimed.Task.Version, "claimed", actor,
			map[string]any{"status": "open", "fence": l.Fence - 1},
			map[string]any{"status": "in_progress", "fence": l.Fence, "worker": sent.Worker, "attempt": l.Attempt})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": []claimedTask{claimed}})
}

func (s *store) complete(w http.ResponseWriter, r *http.Request, actor string) {
	id, err := uuid.Parse(r.PathValue("id"))
	var sent struct {
		Token  uuid.UUID       `json:"token"`
		Result json.RawMessage `json:"result"`
	}
	if err != nil || decode(r, &sent) != nil {
		problem(w, http.StatusBadRequest, "the body is not a completion")
		return
	}
	var task Task
	err = pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) error {
		old, err := one(tx.Query(r.Context(), "select "+columns+" from tasks where id = $1 for update", id))
		if err != nil {
			return err
		}
		var worker string
		err = tx.QueryRow(r.Context(), "delete from leases where task_id = $1 and token = $2 returning worker",
			id, sent.Token).Scan(&worker)
		if err != nil {
			return err
		}
		task, err = one(tx.Query(r.Context(), `update tasks set status = 'done', finished_at = clock_timestamp(),
			completed_by = $2, result = $3, cancel_requested = false, version = version + 1, updated_at = clock_timestamp()
			where id = $1 returning `+columns, id, sent.Token, sent.Result))
		if err == nil {
			_, err = tx.Exec(r.Context(), written, id, task.Version, "completed", actor,
				map[string]any{"status": old.Status, "finished_at": nil},
				map[string]any{"status": "done", "finished_at": task.FinishedAt, "worker": worker, "result": sent.Result})
		}
		return err
	})
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, task)
}

func (s *store) pulse(w http.ResponseWriter, r *http.Request, _ string) {
	id, err := uuid.Parse(r.PathValue("id"))
	var sent struct {
		Token    uuid.UUID `json:"token"`
		Progress *float64  `json:"progress"`
		Note     *string   `json:"note"`
	}
	if err != nil || decode(r, &sent) != nil {
		problem(w, http.StatusBadRequest, "the body is not a pulse")
		return
	}
	var answer struct {
		ExpiresAt       time.Time `json:"expires_at"`
		PulseS          int       `json:"pulse_every_s"`
		CancelRequested bool      `json:"cancel_requested"`
	}
	err = s.pool.QueryRow(r.Context(), `update leases l set pulsed_at = clock_timestamp(),
		expires_at = clock_timestamp() + l.ttl_s * interval '1 second',
		progress = coalesce($3, l.progress), note = coalesce($4, l.note)
		from tasks t where t.id = l.task_id and l.task_id = $1 and l.token = $2
		returning l.expires_at, greatest(1, l.ttl_s / 3), t.cancel_requested`, id, sent.Token, sent.Progress, sent.Note,
	).Scan(&answer.ExpiresAt, &answer.PulseS, &answer.CancelRequested)
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}
