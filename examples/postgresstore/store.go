package main

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	providerauth "github.com/providerauth/providerauth-go"
)

// schema is the table of a Store. The index is for DeleteExpired.
const schema = `
create table if not exists providerauth_registers (
	key   text collate "C" primary key,
	value bytea not null,
	until timestamptz not null
);
create index if not exists providerauth_registers_until on providerauth_registers (until)`

// A Store is a providerauth.Store in a PostgreSQL table. DB has to lead to the
// primary server: add target_session_attrs=read-write to a DSN with several hosts.
//
// The statements are atomic at PostgreSQL's default isolation, READ COMMITTED: a
// statement that has waited for the lock of a row looks at the new row. At a
// higher isolation such a statement fails instead.
type Store struct{ DB DB }

// A DB is a *pgxpool.Pool, a *pgx.Conn or a pgx.Tx.
type DB interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

var (
	_ providerauth.Store = Store{}
	_ DB                 = (*pgxpool.Pool)(nil)
)

// Load implements providerauth.Store.
func (s Store) Load(ctx context.Context, key string) ([]byte, error) {
	return s.value(ctx, `select value from providerauth_registers where key = $1 and until > clock_timestamp()`, key)
}

// Swap implements providerauth.Store.
func (s Store) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	if len(next) == 0 {
		return nil, errors.New("postgresstore: Swap: next is empty")
	}
	for {
		now, err := s.swap(ctx, key, prev, next, ttl)
		if now != nil || err != nil {
			return now, err
		}
		// A select in the same statement would not see what the statement waited for.
		now, err = s.Load(ctx, key)
		if err != nil || !bytes.Equal(now, prev) || (now == nil) != (prev == nil) {
			return now, err
		}
		// The value has become prev since, for example by the end of its ttl.
	}
}

// swap returns next if the value was prev, and nil if not.
func (s Store) swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	if prev == nil {
		return s.value(ctx, `
			insert into providerauth_registers as old (key, value, until) values ($1, $2, clock_timestamp() + $3::interval)
			on conflict (key) do update set value = excluded.value, until = excluded.until
			where old.until <= clock_timestamp() returning value`, key, next, ttl)
	}
	return s.value(ctx, `
		update providerauth_registers set value = $2, until = clock_timestamp() + $3::interval
		where key = $1 and value = $4 and until > clock_timestamp() returning value`, key, next, ttl, prev)
}

// value returns the only value of a statement, nil if there is none.
func (s Store) value(ctx context.Context, sql string, args ...any) (value []byte, err error) {
	err = s.DB.QueryRow(ctx, sql, args...).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

// DeleteExpired deletes the values whose ttl is over, and returns their number.
// Call it now and then: no other method deletes.
func (s Store) DeleteExpired(ctx context.Context) (int64, error) {
	// The index serves now(), and would not serve clock_timestamp().
	tag, err := s.DB.Exec(ctx, `delete from providerauth_registers where until <= now()`)
	return tag.RowsAffected(), err
}
