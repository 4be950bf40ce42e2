package merchantauthtest

import (
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/simulator"
)

// WriteData answers status with data in Kuna's envelope, for use in
// [Server.Handle].
func WriteData(w http.ResponseWriter, status int, data any) {
	simulator.WriteJSON(w, status, struct {
		Data any `json:"data"`
	}{data})
}

// WriteError answers status with Kuna's error envelope, for use in [Server.Handle]
// and [Server.Intercept]. message is a text, or any other value for json.Marshal.
func WriteError(w http.ResponseWriter, status int, code string, message any) {
	(&failure{status, code, message}).write(w)
}

// A failure is an answer with a single error, under the given status.
type failure struct {
	status  int
	Code    string `json:"code"`
	Message any    `json:"message"`
}

func (f *failure) write(w http.ResponseWriter) {
	simulator.WriteJSON(w, f.status, struct {
		Errors []*failure `json:"errors"`
	}{[]*failure{f}})
}

// failureEnvelope returns the body of FailActed.
func failureEnvelope(int) (body []byte, contentType string) {
	return []byte(`{"errors":[{"code":"INTERNAL_ERROR","message":"The simulator was asked to fail"}]}`), "application/json"
}

// object is a message in the form of an object, like the errors of the JavaScript
// library jsonwebtoken.
type object struct {
	Name      string `json:"name"`
	Message   string `json:"message"`
	ExpiredAt string `json:"expiredAt,omitempty"`
}

func errTokenExpired(status int, at time.Time) *failure {
	return &failure{status, "UNAUTHORIZED", object{"TokenExpiredError", "jwt expired", at.UTC().Format("2006-01-02T15:04:05.000Z")}}
}

func errTokenInvalid(status int) *failure {
	return &failure{status, "UNAUTHORIZED", object{Name: "JsonWebTokenError", Message: "invalid signature"}}
}

func errRefreshExpired(status int) *failure {
	return &failure{status, "REFRESH_TOKEN_EXPIRED", "Invalid token"}
}

func errUnauthorized(status int, message string) *failure {
	return &failure{status, "UNAUTHORIZED", message}
}

func errRequest(message string) *failure {
	return &failure{http.StatusBadRequest, "BAD_REQUEST", message}
}

func (s *Server) errRefused(message string) *failure {
	return &failure{s.opt.ErrorStatus, s.opt.RefusalCode, message}
}
