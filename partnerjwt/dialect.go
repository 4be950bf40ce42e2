package partnerjwt

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// dialect reads PiTrade's answers: a 401 rejects the token. Error bodies are
// not documented.
type dialect struct{}

// Read reads a failed answer. No body can prove PiTrade has not acted.
func (dialect) Read(_ *transport.Call, status int, _ http.Header, _ []byte) apierror.Answer {
	if status == http.StatusUnauthorized {
		return apierror.Answer{Class: apierror.Rejected}
	}
	return apierror.Answer{}
}

// readFailure reads a code and a message from an error's body, if it has them.
func readFailure(body []byte) (code, message string) {
	var members struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &members) != nil {
		return "", ""
	}
	code = text.Clip(text.JSONText(members.Code), text.MaxCode)
	message = text.Clip(cmp.Or(text.JSONText(members.Message), text.JSONText(members.Error)), text.MaxMessage)
	return code, message
}

// Rejected reports whether the answer rejects the token.
func (dialect) Rejected(_ string, _ *http.Request, resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized
}

// Fail returns the package's error.
func (dialect) Fail(op string, err error) error { return fail(op, err) }
