package platformtoken

import (
	"encoding/json"
	"time"
)

func ReadExpires(raw string) (time.Time, bool) { return readExpires(json.RawMessage(raw)) }

func ReadRefusal(body []byte) (code int, message string, ok bool) { return readRefusal(body) }

func Open(body []byte, out any) error { return open(body, out) }
