//go:build go1.27 && goexperiment.jsonv2

package transport

import (
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"strconv"
	"strings"
)

// decode is json.Unmarshal, with the position that its error names. But it ends
// at the first field with another type. json.Unmarshal goes on, and from Go
// 1.27 on writes down the path of every such field: a body of 1 MiB with a long
// key can take it minutes.
func decode(body []byte, out any) (offset int64, path string, mistyped bool, err error) {
	err = jsonv2.Unmarshal(body, out, json.DefaultOptionsV1(), json.ReportErrorsWithLegacySemantics(false))
	var syntax *jsontext.SyntacticError
	var mismatch *jsonv2.SemanticError
	switch {
	case errors.As(err, &syntax):
		return min(syntax.ByteOffset+1, int64(len(body))), "", false, err
	case errors.As(err, &mismatch) && (mismatch.Err == nil || errors.Is(mismatch.Err, strconv.ErrRange) || errors.Is(mismatch.Err, strconv.ErrSyntax)):
		return 0, strings.ReplaceAll(strings.TrimPrefix(string(mismatch.JSONPointer), "/"), "/", "."), true, err
	}
	return 0, "", false, err // of an UnmarshalJSON
}
