//go:build go1.27 && goexperiment.jsonv2

package klas

import (
	"bytes"
	"encoding/json/jsontext"
	"sync"
)

// A tokenizer reads JSON token by token. It is pooled.
type tokenizer struct {
	in  bytes.Buffer
	dec *jsontext.Decoder // of in
}

var tokenizers = sync.Pool{New: func() any {
	t := &tokenizer{}
	t.dec = jsontext.NewDecoder(&t.in)
	return t
}}

// split reads the members of body, which begins with {, and reports whether body is
// a JSON object. For such a body the result equals that of splitMap, several times
// faster: BenchmarkSplit.
func split(body []byte) (m members, ok bool) {
	t := tokenizers.Get().(*tokenizer)
	t.in = *bytes.NewBuffer(body)
	t.dec.Reset(&t.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	ok = m.read(t.dec, body)
	if len(body) <= firstRead { // the decoder of a long body holds on to long buffers
		t.in = bytes.Buffer{}
		tokenizers.Put(t)
	}
	return m, ok
}

// read reads an object to the end of the body.
func (m *members) read(d *jsontext.Decoder, body []byte) bool {
	if _, err := d.ReadToken(); err != nil {
		return false
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return false
		}
		known := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return false
		}
		end := d.InputOffset()
		m.add(known, body[end-int64(len(value)):end])
	}
	if _, err := d.ReadToken(); err != nil {
		return false
	}
	return len(bytes.TrimLeft(body[d.InputOffset():], " \n\r\t")) == 0
}
