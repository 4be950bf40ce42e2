package klastest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

func ExampleTestHandler() {
	const timeout = 200 * time.Millisecond
	hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("secret", "previous"), HandlerTimeout: timeout})
	if err != nil {
		log.Fatal(err)
	}
	h := hook.AuthenticateHandler(klas.AuthenticatorFunc(
		func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			balance, err := providerauth.ParseAmount("30")
			return klas.AuthenticateResponse{Currency: "EUR", Balance: balance}, err
		}))
	fmt.Println(klastest.TestHandler(h, klastest.Options{Secret: "secret", PreviousSecret: "previous", HandlerTimeout: timeout}))
	// Output: <nil>
}

// An endpoint that lets everybody in is found out.
func ExampleTestHandler_faults() {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"currency":"EUR","balance":"30","status_code":"OK"}`)
	})
	err := klastest.TestHandler(h, klastest.Options{Secret: "secret", HandlerTimeout: -1}) // no body stops
	first, _, _ := strings.Cut(err.Error(), "\n\tsent: ")
	fmt.Println(first)
	// Output: klastest: good call: the answer is not signed
}
