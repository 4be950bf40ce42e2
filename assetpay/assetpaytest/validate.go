package assetpaytest

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

// The forms required by AssetPay's OpenAPI document.
var (
	steamIDForm  = regexp.MustCompile(`^76561\d{12}$`)
	tradeURLForm = regexp.MustCompile(`^https://steamcommunity\.com/tradeoffer/new/\?partner=\d{1,10}&token=[A-Za-z0-9_-]{8}$`)
)

// An exchange is a valid request body.
type exchange struct {
	steamID, tradeURL string
	clientID          string
	clientData        json.RawMessage // compact; nil if there was none
}

// parse reads a request body by the rules of the OpenAPI document: unknown members
// are an error at the top level, but not in client data.
func parse(body []byte) (x exchange, problems map[string]string) {
	problems = map[string]string{}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		problems["body"] = "must be a JSON object"
		return x, problems
	}
	for name, raw := range members {
		switch name {
		case "clientSteamId":
			x.steamID, _ = str(raw)
		case "clientTradeUrl":
			x.tradeURL, _ = str(raw)
		case "clientId":
			var ok bool
			if x.clientID, ok = str(raw); !ok || utf8.RuneCountInString(x.clientID) > 128 {
				problems[name] = "must be a string of at most 128 characters"
			}
		case "clientData":
			checkData(raw, problems)
			x.clientData = compact(raw)
		default:
			problems[name] = "is not known"
		}
	}
	if !steamIDForm.MatchString(x.steamID) {
		problems["clientSteamId"] = "must match " + steamIDForm.String()
	}
	if !tradeURLForm.MatchString(x.tradeURL) {
		problems["clientTradeUrl"] = "must match " + tradeURLForm.String()
	}
	return x, problems
}

func checkData(raw json.RawMessage, problems map[string]string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		problems["clientData"] = "must be an object"
		return
	}
	for name, raw := range members {
		rule := ""
		switch name {
		case "totalWager":
			if n, ok := number(raw); !ok || n < 0 {
				rule = "must be a number of at least 0"
			}
		case "kycLevel":
			if n, ok := number(raw); !ok || n < 0 || n != math.Trunc(n) {
				rule = "must be an integer of at least 0"
			}
		case "fiatDeposits", "cryptoDeposits":
			if s := string(raw); s != "true" && s != "false" {
				rule = "must be a boolean"
			}
		case "registrationDate":
			s, ok := str(raw)
			if _, err := time.Parse(time.RFC3339, s); string(raw) != "null" && (!ok || err != nil) {
				rule = "must be a date-time or null"
			}
		case "kycHash":
			if _, ok := str(raw); !ok {
				rule = "must be a string"
			}
		}
		if rule != "" {
			problems["clientData."+name] = rule
		}
	}
}

func str(raw json.RawMessage) (s string, ok bool) {
	return s, len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil
}

func number(raw json.RawMessage) (n float64, ok bool) {
	return n, string(raw) != "null" && json.Unmarshal(raw, &n) == nil
}

func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	_ = json.Compact(&b, raw) // it was unmarshalled before
	return b.Bytes()
}

// invalid is the answer to an invalid request: at most 20 fields, of which the
// message names five.
func (s *Server) invalid(problems map[string]string) failure {
	const mostFields, mostNamed = 20, 5
	f := failure{status: s.opt.ValidationStatus, Code: 1001, Key: "VALIDATION_FAILED", Fields: map[string]string{}}
	lines := []string{}
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		if len(f.Fields) < mostFields {
			f.Fields[name] = problems[name]
		}
		if len(lines) < mostNamed {
			lines = append(lines, name+": "+problems[name])
		}
	}
	f.Message = lines
	if !s.opt.MessageArray {
		f.Message = lines[0]
	}
	return f
}
