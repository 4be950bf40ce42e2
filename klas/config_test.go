package klas_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
)

func TestNewReportsEveryProblemAtOnce(t *testing.T) {
	_, err := klas.New(klas.Config{MaxBodyBytes: -1, HandlerTimeout: -1, MaxAge: -time.Second})
	var e *klas.Error
	if !errors.As(err, &e) || !errors.Is(err, providerauth.ErrInvalidRequest) {
		t.Fatalf("%v", err)
	}
	var got []string
	for name, rule := range e.Fields {
		got = append(got, name)
		if !strings.Contains(err.Error(), name+" "+rule) {
			t.Errorf("%s is not in the text %q", name, err)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"HandlerTimeout", "MaxAge", "MaxBodyBytes", "Secrets"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e.Op != "New" {
		t.Errorf("Op %q", e.Op)
	}
}

func TestMaxAgeIsWholeSeconds(t *testing.T) {
	for d, good := range map[time.Duration]bool{
		0: true, time.Second: true, time.Hour: true,
		1: false, time.Second / 2: false, 1500 * time.Millisecond: false, -time.Second: false, math.MinInt64: false,
	} {
		_, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets(secret), MaxAge: d})
		if (err == nil) != good {
			t.Errorf("%v: %v", d, err)
		}
	}
}

func TestNewDoesNoIO(t *testing.T) {
	_, err := klas.New(klas.Config{Secrets: func(context.Context) ([]string, error) {
		t.Error("the secrets were asked for")
		return nil, nil
	}})
	if err != nil {
		t.Error(err)
	}
}
