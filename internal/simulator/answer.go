package simulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// An answer buffers the handler's output. It can then be delayed, cut or lost
// after the handler has acted.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) send(w http.ResponseWriter, method string, truncated bool) {
	a.WriteHeader(http.StatusOK)
	body := a.body.Bytes()
	if truncated {
		a.sendHead(w, method)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if _, set := a.header["Content-Length"]; !set {
		a.header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(a.status) // net/http leaves out the body and headers forbidden for a 204 or 304
	_, _ = w.Write(body)
}

// sendHead sends the header of an answer, which announces the body. If an
// answer cannot have a body, sendHead breaks the connection.
func (a *answer) sendHead(w http.ResponseWriter, method string) {
	a.WriteHeader(http.StatusOK)
	if method == http.MethodHead || a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		panic(http.ErrAbortHandler)
	}
	a.header["Content-Length"] = []string{strconv.Itoa(max(1, a.body.Len()))}
	w.WriteHeader(a.status)
	_ = http.NewResponseController(w).Flush()
}

// mark puts a byte order mark before the body.
func (a *answer) mark() {
	body := bytes.Clone(a.body.Bytes())
	a.body.Reset()
	a.body.WriteString("\ufeff")
	a.body.Write(body)
	delete(a.header, "Content-Length")
}

// WriteJSON answers with v as compact JSON, without HTML escapes and without a
// final newline. If v does not marshal, the answer is 500.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := encode(v)
	if err != nil {
		http.Error(w, "simulator: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Encode returns v as WriteJSON writes it, which is how JavaScript does. v has to
// marshal.
func Encode(v any) []byte {
	body, err := encode(v)
	if err != nil {
		panic(err)
	}
	return body
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
