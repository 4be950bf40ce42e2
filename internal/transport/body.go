package transport

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
)

const (
	maxBody      = 1 << 20   // of an answer, after decompression, unless Call.Long
	maxErrorBody = 16 << 10  // kept of an answer other than a success
	maxDrain     = 256 << 10 // read beyond that, to keep the connection usable
)

var (
	errEmpty = errors.New("the body is empty")
	errField = errors.New("a field of the body cannot be read")
)

func tooLarge(most int) error { return fmt.Errorf("the body is longer than %d bytes", most) }

// mark is the byte order mark of UTF-8. Servers with .NET's default encoder
// write it before JSON.
var mark = []byte("\ufeff")

// marshal returns v as JSON, in a byte slice of the caller's own: compact,
// without HTML escapes, without a newline at the end.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Unmarshal decodes a body of a single JSON document, for use on
// [Response.Body]. It skips a byte order mark. The text of its errors shows
// nothing of the body.
func Unmarshal(body []byte, out any) error {
	body = bytes.TrimPrefix(body, mark)
	if len(bytes.TrimSpace(body)) == 0 {
		return errEmpty
	}
	offset, path, mistyped, err := decode(body, out)
	switch {
	case err == nil:
		return nil
	case offset > 0:
		return &apierror.Opaque{Text: fmt.Sprintf("the body is not JSON (byte %d of %d)", offset, len(body)), Cause: err}
	case mistyped && check.JSONField(out, path) != "":
		return &apierror.Opaque{Text: fmt.Sprintf("field %s of the body has another type", check.JSONField(out, path)), Cause: err}
	case mistyped:
		return &apierror.Opaque{Text: "the body has another type", Cause: err}
	}
	return &apierror.Opaque{Text: errField.Error(), Cause: err}
}

// read reads at most limit bytes and reports whether they are the whole body.
// length is the announced length, -1 if there is none.
func read(r io.Reader, length int64, limit int) (b []byte, whole bool, err error) {
	const least, most = 512, 64 << 10 // an announcement is not worth more memory than this
	b = make([]byte, 0, int(min(max(length+1, least), most, int64(limit)+1)))
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return b[:limit], false, nil
		case err == io.EOF:
			return b, true, nil
		case err != nil:
			return b, false, err
		}
		if len(b) == cap(b) {
			size := 2 * cap(b)
			if size >= limit {
				size = limit + 1
			}
			grown := make([]byte, len(b), size)
			copy(grown, b)
			b = grown
		}
	}
}

// drain reads on for a while, to keep the connection usable.
func drain(r io.Reader) {
	_, _ = io.CopyN(io.Discard, r, maxDrain)
}

// corrupt reports whether a body came whole and cannot be decompressed.
func corrupt(err error) bool {
	var deflated flate.CorruptInputError
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &deflated)
}
