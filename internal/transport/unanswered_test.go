package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

func TestErrorsOfCallsWithoutAnAnswerKeepTheirMeaning(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	slow := &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	unknown := &net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true}
	untrusted := &tls.CertificateVerificationError{Err: x509.HostnameError{Host: "api.example", Certificate: &x509.Certificate{DNSNames: []string{"other.example"}}}}
	for _, tt := range []struct {
		err       error
		text      string
		is        error
		as        any
		timeout   bool
		temporary bool
	}{
		{reset, "read tcp: connection reset by peer", syscall.ECONNRESET, new(*net.OpError), false, true},
		{fmt.Errorf("net/http: broken: %w", reset), "read tcp: connection reset by peer", syscall.ECONNRESET, new(*net.OpError), false, true},
		{slow, "read tcp: timed out", os.ErrDeadlineExceeded, new(*net.OpError), true, true},
		{&net.OpError{Op: "dial", Err: errors.New("proxy http://user:password@proxy is down")}, "dial: no answer (*errors.errorString)", nil, new(*net.OpError), false, true},
		{&net.OpError{Op: "dial"}, "dial", nil, new(*net.OpError), false, true},
		{&net.OpError{Op: "dial", Net: "tcp", Err: unknown}, "lookup api.example: no such host", unknown, new(*net.DNSError), false, false},
		{untrusted, "tls: failed to verify certificate: x509: certificate is valid for other.example, not api.example", nil, new(x509.HostnameError), false, false},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(116)}, "remote error: tls: certificate required", nil, new(tls.AlertError), false, false},
		{tls.RecordHeaderError{Msg: "secret", RecordHeader: [5]byte{'H', 'T', 'T', 'P', '/'}}, "the server does not speak TLS", nil, new(tls.RecordHeaderError), false, false},
		{io.ErrUnexpectedEOF, "the connection was closed", io.ErrUnexpectedEOF, nil, false, true},
		{syscall.EPIPE, "broken pipe", syscall.EPIPE, new(syscall.Errno), false, true},
		{context.DeadlineExceeded, "timed out", context.DeadlineExceeded, nil, true, true},
		{errors.New("GET https://api.example?secret"), "no answer (*errors.errorString)", nil, nil, false, true},
	} {
		for _, err := range []error{tt.err, &url.Error{Op: "Post", URL: "https://api.example?secret", Err: tt.err}} {
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return nil, err }),
				func(cfg *transport.Config) { cfg.MaxAttempts = 1 })
			_, err := c.Do(t.Context(), post(transport.Safe))
			e := failure(t, err)
			if want := tt.text; err.Error() != want {
				t.Errorf("got %q, want %q", err, want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			if tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("%v is no %T", err, tt.as)
			}
			var n interface { // net.Error, whose Temporary is deprecated
				error
				Timeout() bool
				Temporary() bool
			}
			if !errors.As(err, &n) || n.Timeout() != tt.timeout || n.Error() != tt.text || n.Temporary() != tt.temporary || e.Temporary != tt.temporary {
				t.Errorf("%v: as a net.Error: %v, timeout %v, temporary %v, %v", err, n, n.Timeout(), n.Temporary(), e.Temporary)
			}
		}
	}
}
