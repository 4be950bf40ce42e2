package assetpaytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/providerauth/providerauth-go/internal/simulator"
)

// requests numbers the request ids of this process.
var requests atomic.Uint64

func requestID() string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", requests.Add(1))
}

// WriteData answers 200 with data in AssetPay's envelope, for use in
// [Server.Handle].
func WriteData(w http.ResponseWriter, data any) {
	simulator.WriteJSON(w, http.StatusOK, struct {
		RequestID string `json:"requestId"`
		Success   bool   `json:"success"`
		Data      any    `json:"data"`
	}{requestID(), true, data})
}

// WriteError answers status with AssetPay's error envelope, for use in
// [Server.Handle] and [Server.Intercept].
func WriteError(w http.ResponseWriter, status, code int, key, message string) {
	failure{status: status, Code: code, Key: key, Message: message}.write(w)
}

type failure struct {
	status  int
	Code    int               `json:"code"`
	Key     string            `json:"key"`
	Message any               `json:"message"` // a string or an array of strings
	Fields  map[string]string `json:"fields,omitempty"`
}

type failed struct {
	RequestID string  `json:"requestId"`
	Success   bool    `json:"success"`
	Error     failure `json:"error"`
}

func (f failure) write(w http.ResponseWriter) {
	simulator.WriteJSON(w, f.status, failed{RequestID: requestID(), Error: f})
}

// AssetPay's documented failures, with the statuses and numbers of assetpay.gg. It
// documents no status for 1915.
var (
	errRateLimited   = failure{status: http.StatusTooManyRequests, Code: 1005, Key: "RATE_LIMITED", Message: "Too many requests"}
	errInvalidToken  = failure{status: http.StatusUnauthorized, Code: 1102, Key: "INVALID_TOKEN", Message: "Invalid token"}
	errMissingBearer = failure{status: http.StatusUnauthorized, Code: 1108, Key: "MISSING_BEARER", Message: "Authorization header is missing or malformed"}
	errTokenExpired  = failure{status: http.StatusUnauthorized, Code: 1111, Key: "TOKEN_EXPIRED", Message: "Token has expired"}
	errMissingKey    = failure{status: http.StatusUnauthorized, Code: 1900, Key: "MISSING_API_KEY", Message: "API key is required"}
	errInvalidKey    = failure{status: http.StatusUnauthorized, Code: 1901, Key: "INVALID_API_KEY", Message: "API key is invalid"}
	errScopeDenied   = failure{status: http.StatusForbidden, Code: 1903, Key: "API_KEY_SCOPE_DENIED", Message: "API key lacks the required scope"}
	errNoAPISecret   = failure{status: http.StatusForbidden, Code: 1915, Key: "NO_API_SECRET_CONFIGURED", Message: "No API secret is configured"}
	errNotFound      = failure{status: http.StatusNotFound, Code: 1003, Key: "NOT_FOUND", Message: "Not found"}
)

// failBody returns the body of FailNext.
func failBody(status int) (body []byte, contentType string) {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable:
		return failureEnvelope(status)
	}
	return fmt.Appendf(nil, "<html><head><title>%[1]d</title></head><body><h1>%[1]d</h1></body></html>\n", status), "text/html"
}

// failureEnvelope returns the body of FailActed.
func failureEnvelope(status int) (body []byte, contentType string) {
	f := failure{Code: 1006, Key: "SERVER_ERROR", Message: "The simulator was asked to fail"}
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		f.Code, f.Key = 1001, "VALIDATION_FAILED"
	case http.StatusUnauthorized:
		f.Code, f.Key = 1100, "UNAUTHORIZED"
	case http.StatusForbidden:
		f.Code, f.Key = 1300, "FORBIDDEN"
	case http.StatusNotFound:
		f.Code, f.Key = 1003, "NOT_FOUND"
	case http.StatusTooManyRequests:
		f.Code, f.Key = 1005, "RATE_LIMITED"
	case http.StatusServiceUnavailable:
		f.Code, f.Key = 1009, "SERVICE_UNAVAILABLE"
	}
	body, err := json.Marshal(failed{RequestID: requestID(), Error: f})
	if err != nil {
		panic(err) // only strings and numbers
	}
	return body, "application/json"
}
