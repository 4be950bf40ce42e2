// Postgresstore shows a providerauth.Store on a database that the SDK does not
// know: PostgreSQL, in store.go. It tries the Store with storetest.
//
//	cd examples/postgresstore
//	DATABASE_URL=postgres://user@host/database go run .
//
// It creates the table providerauth_registers there. Without DATABASE_URL it
// starts a PostgreSQL server of its own, on an empty database, and ends it again.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dsn := os.Getenv("DATABASE_URL")
	if dsn == "" {
		fmt.Println("DATABASE_URL is not set: starting a temporary PostgreSQL server")
		server, err := startServer()
		if err != nil {
			return err
		}
		defer server.close()
		dsn = server.dsn
	}
	return try(ctx, dsn)
}

// testPrefix begins the keys of storetest, which are deleted in the end.
const testPrefix = "postgresstore test:"

// try tries a Store with two pools, as two processes have them.
func try(ctx context.Context, dsn string) error {
	first, err := open(ctx, dsn)
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := open(ctx, dsn)
	if err != nil {
		return err
	}
	defer second.Close()

	store := Store{first}
	err = storetest.Test(ctx, store, storetest.Options{Prefix: testPrefix, Others: []providerauth.Store{Store{second}}})
	if err != nil {
		return err
	}
	fmt.Println("storetest: the Store keeps its contract, with two pools")
	expired, err := store.DeleteExpired(ctx)
	if err != nil {
		return err
	}
	fmt.Println("DeleteExpired has deleted values:", expired > 0)
	_, err = first.Exec(ctx, `delete from providerauth_registers where starts_with(key, $1)`, testPrefix)
	return err
}

// open returns a pool of connections to a database with the table.
func open(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, schema); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}
