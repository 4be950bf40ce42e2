package platformtokentest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/simulator"
)

// The codes of this server's failures, with their statuses unless
// Options.FailuresInOK is set. The platform's own codes are not public: these
// are invented.
const (
	CodeRequest   = 9001 // 400: a member of the body or a header is wrong
	CodeSign      = 9002 // 403: the signature does not match
	CodeTimestamp = 9003 // 403: the timestamp is too far off
	CodeToken     = 9004 // 401: there is no token, or it is invalid or expired
	CodePlayer    = 9005 // 403: the token is another player's
	CodeTxID      = 9006 // 409: the txId has been used
	CodeBalance   = 9007 // 409: there is not enough in the wallet
	CodeRecord    = 9008 // 404: there is no such record, or no such endpoint
	CodeFault     = 9999 // FailNext and FailActed
)

type success struct {
	IsSuccess bool `json:"isSuccess"`
	Code      int  `json:"code"`
	Data      any  `json:"data"`
}

type refusal struct {
	IsSuccess bool   `json:"isSuccess"`
	Code      int    `json:"code"`
	Message   string `json:"message"`
}

// WriteData answers 200 with data in the platform's envelope, for use in
// [Server.Handle] and [Server.Intercept].
func WriteData(w http.ResponseWriter, data any) {
	simulator.WriteJSON(w, http.StatusOK, success{IsSuccess: true, Data: data})
}

// WriteFailure answers status with the platform's failure envelope, for use in
// [Server.Handle] and [Server.Intercept].
func WriteFailure(w http.ResponseWriter, status, code int, message string) {
	simulator.WriteJSON(w, status, refusal{Code: code, Message: message})
}

// A failure is a failure envelope with its status.
type failure struct {
	status, code int
	message      string
}

func (f *failure) Error() string { return f.message }

func bad(format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, CodeRequest, fmt.Sprintf(format, args...)}
}

var (
	errSign      = &failure{http.StatusForbidden, CodeSign, "The signature does not match"}
	errForm      = &failure{http.StatusForbidden, CodeSign, "The signature does not match: order, types or form of the members are not as documented"}
	errTimestamp = &failure{http.StatusForbidden, CodeTimestamp, "The timestamp is too far off"}
	errToken     = &failure{http.StatusUnauthorized, CodeToken, "The token is missing, dead or expired"}
	errPlayer    = &failure{http.StatusForbidden, CodePlayer, "The token is another player's"}
	errTxID      = &failure{http.StatusConflict, CodeTxID, "The txId has been used"}
	errBalance   = &failure{http.StatusConflict, CodeBalance, "There is not enough in the wallet"}
	errRecord    = &failure{http.StatusNotFound, CodeRecord, "There is no such record"}
	errEndpoint  = &failure{http.StatusNotFound, CodeRecord, "There is no such endpoint"}
)

// failBody is the answer of FailNext.
func failBody(status int) (body []byte, contentType string) {
	if status >= http.StatusBadGateway {
		return fmt.Appendf(nil, "<html><head><title>%[1]d</title></head><body><h1>%[1]d</h1></body></html>\n", status), "text/html"
	}
	return failureEnvelope(status)
}

// failureEnvelope is the answer of FailActed.
func failureEnvelope(int) (body []byte, contentType string) {
	body, err := json.Marshal(refusal{Code: CodeFault, Message: "The simulator was asked to fail"})
	if err != nil {
		panic(err) // strings and numbers
	}
	return body, "application/json"
}
