package partnerjwt

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// dialect is how PiTrade speaks: a 401 rejects the token. Error bodies are not
// documented.
type dialect struct{}

// failure is the part of an error body that looks like a code and a message.
type failure struct{ code, message string }

// Read reads a failed answer. No body proves that PiTrade did nothing.
func (dialect) Read(_ *transport.Call, status int, _ http.Header, body []byte) apierror.Answer {
	var answer apierror.Answer
	if status == http.StatusUnauthorized {
		answer.Class = apierror.Rejected
	}
	if status < http.StatusMultipleChoices {
		return answer
	}
	var members struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &members) == nil {
		answer.Envelope = &failure{
			code:    text.Clip(text.JSONText(members.Code), text.MaxCode),
			message: text.Clip(cmp.Or(text.JSONText(members.Message), text.JSONText(members.Error)), text.MaxMessage),
		}
	}
	return answer
}

// Rejected reports whether the answer rejects the token.
func (dialect) Rejected(_ string, _ *http.Request, resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized
}

// Fail returns the package's error.
func (dialect) Fail(op string, err error) error { return fail(op, err) }
