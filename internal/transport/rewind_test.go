package transport

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/internal/resend"
)

func TestSending_rewind(t *testing.T) {
	for _, once := range []bool{false, true} {
		s := &sending{once: once}
		r := new(http.Request)
		s.load(r, []byte("order"))
		for i, read := range []bool{false, false, true} {
			body, err := r.GetBody()
			if err != nil {
				t.Fatalf("rewinding %d times: %v", i+1, err)
			}
			if !read {
				continue
			}
			if b, err := io.ReadAll(body); string(b) != "order" || err != nil {
				t.Errorf("read %q, %v", b, err)
			}
		}
		if _, err := r.GetBody(); errors.Is(err, resend.Err) != once {
			t.Errorf("once %v: rewinding a body that was read: %v", once, err)
		}
	}
}
