package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const recheck = 5 * time.Second

type key struct {
	id       string
	secret   []byte
	scopes   []string
	expires  *time.Time
	lookedUp time.Time
}

// Keys looks API keys up and remembers them for a few seconds.
type keys struct {
	pool  *pgxpool.Pool
	known sync.Map
}

type handler func(w http.ResponseWriter, r *http.Request, actor string)

func newKeys(pool *pgxpool.Pool) *keys {
	return &keys{pool: pool}
}

func (k *keys) require(scope string, serve handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, err := k.authenticate(r)
		switch {
		case err != nil:
			fail(w, err)
		case key == nil:
			problem(w, http.StatusUnauthorized, "the key is unknown")
		case !slices.Contains(key.scopes, scope):
			problem(w, http.StatusForbidden, "the key lacks the scope "+scope)
		default:
			serve(w, r, key.id)
		}
	}
}

func (k *keys) authenticate(r *http.Request) (*key, error) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer tp_")
	id, secret, whole := strings.Cut(token, "_")
	if !found || !whole {
		return nil, nil
	}
	var known *key
	if value, ok := k.known.Load(id); ok && time.Since(value.(*key).lookedUp) < recheck {
		known = value.(*key)
	} else {
		known = &key{id: id, lookedUp: time.Now()}
		const query = "select secret_sha256, scopes, expires_at from api_keys where id = $1 and revoked_at is null"
		err := k.pool.QueryRow(r.Context(), query, id).Scan(&known.secret, &known.scopes, &known.expires)
		if errors.Is(err, pgx.ErrNoRows) {
			k.known.Delete(id)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		k.known.Store(id, known)
	}
	digest := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(digest[:], known.secret) != 1 || known.expires != nil && known.expires.Before(time.Now()) {
		return nil, nil
	}
	return known, nil
}
