//go:build !(go1.27 && goexperiment.jsonv2)

package transport

import (
	"encoding/json"
	"errors"
)

// decode is json.Unmarshal. It also returns the facts about the body in the
// error: the offset if the body is no JSON, else the path of the field with
// another type.
func decode(body []byte, out any) (offset int64, path string, mistyped bool, err error) {
	err = json.Unmarshal(body, out)
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return syntax.Offset, "", false, err
	case errors.As(err, &mismatch):
		return 0, mismatch.Field, true, err
	}
	return 0, "", false, err
}
