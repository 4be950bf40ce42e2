package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
)

// dsn is of the server of all tests.
var dsn string

func TestMain(m *testing.M) { os.Exit(tests(m)) }

// tests runs the tests against DATABASE_URL, or against a server of their own.
func tests(m *testing.M) int {
	if dsn = os.Getenv("DATABASE_URL"); dsn == "" {
		server, err := startServer()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.close()
		dsn = server.dsn
	}
	return m.Run()
}

func pool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	p, err := open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// key returns a key that no other test uses.
func key(t *testing.T) string {
	return fmt.Sprintf("%s%s %d", testPrefix, t.Name(), time.Now().UnixNano())
}

// swapped fails the test unless a Swap returned want.
func swapped(t *testing.T, want string, now []byte, err error) {
	t.Helper()
	if err != nil || string(now) != want {
		t.Errorf("Swap returned %q, %v, want %q", now, err, want)
	}
}

func TestStore(t *testing.T) {
	t.Run("keeps the contract with several pools", func(t *testing.T) {
		others := []providerauth.Store{Store{pool(t)}, Store{pool(t)}}
		if err := storetest.Test(t.Context(), Store{pool(t)}, storetest.Options{Prefix: testPrefix, Others: others}); err != nil {
			t.Error(err)
		}
	})
	t.Run("refuses an empty value", func(t *testing.T) {
		for _, next := range [][]byte{nil, {}} {
			if _, err := (Store{pool(t)}).Swap(t.Context(), key(t), nil, next, time.Minute); err == nil {
				t.Errorf("no error for %#v", next)
			}
		}
	})
}

// between is a database in which something happens before a statement.
type between struct {
	DB
	statements int
	before     map[int]func() // by the number of the statement
}

func (b *between) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	b.statements++
	if f := b.before[b.statements]; f != nil {
		f()
	}
	return b.DB.QueryRow(ctx, sql, args...)
}

// A Swap that does not find prev reads the value in a second statement. Each case
// changes the value between the two.
func TestStore_Swap_betweenStatements(t *testing.T) {
	for name, c := range map[string]struct {
		prev   []byte
		change string
		want   string
	}{
		"from nil, the value goes":             {nil, `delete from providerauth_registers where key = $1`, "next"},
		"from nil, the value expires":          {nil, `update providerauth_registers set until = now() where key = $1`, "next"},
		"from nil, the value changes":          {nil, `update providerauth_registers set value = 'third' where key = $1`, "third"},
		"from a value, the value becomes prev": {[]byte("prev"), `update providerauth_registers set value = 'prev' where key = $1`, "next"},
		"from a value, the value goes":         {[]byte("prev"), `delete from providerauth_registers where key = $1`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			db, k := pool(t), key(t)
			now, err := Store{db}.Swap(t.Context(), k, nil, []byte("other"), time.Minute)
			swapped(t, "other", now, err)
			b := &between{DB: db, before: map[int]func(){2: func() {
				if tag, err := db.Exec(t.Context(), c.change, k); err != nil || tag.RowsAffected() != 1 {
					t.Fatal(tag, err)
				}
			}}}
			now, err = Store{b}.Swap(t.Context(), k, c.prev, []byte("next"), time.Minute)
			swapped(t, c.want, now, err)
		})
	}
}

// A statement waits for a transaction that has changed its row.
func TestStore_waits(t *testing.T) {
	for name, c := range map[string]struct {
		value  string // before; "" for none
		prev   []byte
		commit bool
		want   string
	}{
		"a Swap from nil loses to a Swap that is committed":     {"", nil, true, "first"},
		"a Swap from nil wins if the other is rolled back":      {"", nil, false, "second"},
		"a Swap from a value loses to a Swap that is committed": {"prev", []byte("prev"), true, "first"},
		"a Swap from a value wins if the other is rolled back":  {"prev", []byte("prev"), false, "second"},
	} {
		t.Run(name, func(t *testing.T) {
			db, k := pool(t), key(t)
			if c.value != "" {
				now, err := Store{db}.Swap(t.Context(), k, nil, []byte(c.value), time.Minute)
				swapped(t, c.value, now, err)
			}
			tx := begin(t, db)
			now, err := Store{tx}.Swap(t.Context(), k, c.prev, []byte("first"), time.Minute)
			swapped(t, "first", now, err)

			var second []byte
			done := waiting(t, db, func() (err error) {
				second, err = Store{db}.Swap(t.Context(), k, c.prev, []byte("second"), time.Minute)
				return err
			})
			end(t, tx, c.commit)
			err = <-done
			swapped(t, c.want, second, err)
		})
	}
	t.Run("DeleteExpired leaves a value that is written meanwhile", func(t *testing.T) {
		db, k := pool(t), key(t)
		now, err := Store{db}.Swap(t.Context(), k, nil, []byte("old"), time.Microsecond)
		swapped(t, "old", now, err)
		tx := begin(t, db)
		now, err = Store{tx}.Swap(t.Context(), k, nil, []byte("new"), time.Minute)
		swapped(t, "new", now, err)
		done := waiting(t, db, func() error {
			_, err := Store{db}.DeleteExpired(t.Context())
			return err
		})
		end(t, tx, true)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if now, err := (Store{db}).Load(t.Context(), k); err != nil || string(now) != "new" {
			t.Errorf("%q, %v", now, err)
		}
	})
}

func TestStore_DeleteExpired(t *testing.T) {
	db, k := pool(t), key(t)
	for name, ttl := range map[string]time.Duration{k + " expired": time.Microsecond, k + " live": time.Minute} {
		now, err := Store{db}.Swap(t.Context(), name, nil, []byte("x"), ttl)
		swapped(t, "x", now, err)
	}
	if n, err := (Store{db}).DeleteExpired(t.Context()); n == 0 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
	var left string
	err := db.QueryRow(t.Context(), `select string_agg(key, ', ') from providerauth_registers where starts_with(key, $1)`, k).Scan(&left)
	if err != nil || left != k+" live" {
		t.Errorf("%q, %v", left, err)
	}
}

func begin(t *testing.T, db *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func end(t *testing.T, tx pgx.Tx, commit bool) {
	t.Helper()
	f := tx.Rollback
	if commit {
		f = tx.Commit
	}
	if err := f(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waiting starts f, and returns when a statement of the database waits for a
// lock.
func waiting(t *testing.T, db *pgxpool.Pool, f func() error) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var waits int
		err := db.QueryRow(t.Context(), `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		if waits > 0 {
			return done
		}
	}
	t.Fatal("no statement waits for a lock")
	return nil
}

func TestRun(t *testing.T) {
	t.Run("tries the Store on DATABASE_URL, and leaves no value", func(t *testing.T) {
		t.Setenv("DATABASE_URL", dsn)
		if err := run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left int
		err := pool(t).QueryRow(t.Context(), `select count(*) from providerauth_registers where starts_with(key, $1)`, testPrefix).Scan(&left)
		if left != 0 || err != nil {
			t.Errorf("%d values, %v", left, err)
		}
	})
	t.Run("fails if no server answers", func(t *testing.T) {
		t.Setenv("DATABASE_URL", "host="+t.TempDir()+" user=nobody")
		if run(t.Context()) == nil {
			t.Error("no error")
		}
	})
}

func TestBinaries(t *testing.T) {
	t.Run("says how to get PostgreSQL if there is none", func(t *testing.T) {
		if _, err := binaries([]string{t.TempDir()}, t.TempDir()+"/*"); !errors.Is(err, errNoPostgres) {
			t.Error(err)
		}
	})
	t.Run("finds both programs beside each other", func(t *testing.T) {
		half, whole := t.TempDir(), t.TempDir()
		for _, name := range []string{half + "/initdb", whole + "/initdb", whole + "/postgres"} {
			if err := os.WriteFile(name, nil, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := binaries([]string{half}, whole+"*"); got != whole || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}
