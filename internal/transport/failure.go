package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"syscall"
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

var (
	errNoResponse = errors.New("the transport returned neither an answer nor an error")
	errNoStatus   = errors.New("the transport returned an answer without a status")
	errNoReason   = errors.New("the transport returned an error without a reason")
)

var plainError = reflect.TypeOf(errNoReason)

func timedOut(after time.Duration) error {
	return &apierror.Opaque{Text: fmt.Sprintf("no answer within %v", after), Cause: context.DeadlineExceeded, Passing: true}
}

func brokeOff(status int, err error) error {
	return &apierror.Opaque{Text: fmt.Sprintf("the answer (status %d) broke off: %v", status, err), Cause: err, Passing: temporary(err)}
}

// clean returns err without any URL. A *url.Error comes from transports with
// another http.Client inside.
func clean(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		if err = u.Err; err == nil {
			err = errNoReason
		}
	}
	return &apierror.Opaque{Text: describe(err), Cause: err, Passing: temporary(err)}
}

// describe makes up a text from harmless parts. Of an unknown error it shows
// only the type.
func describe(err error) string {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		rec  tls.RecordHeaderError
		op   *net.OpError
		no   syscall.Errno
		late interface{ Timeout() bool }
		fell *timebox.Panic
	)
	if status := proxyStatus(err); status != 0 {
		return fmt.Sprintf("the proxy answered %d %s", status, http.StatusText(status))
	}
	switch {
	case err == errNoResponse, err == errNoStatus, err == errNoReason:
		return err.Error()
	case errors.As(err, &fell):
		return "the transport " + fell.Error()
	case errors.As(err, &dns):
		return dns.Error()
	case errors.As(err, &cert):
		return cert.Error()
	case errors.As(err, &rec):
		return "the server does not speak TLS"
	case errors.As(err, &op):
		text := op.Op
		if op.Net != "" {
			text += " " + op.Net
		}
		if op.Addr != nil {
			text += " " + op.Addr.String()
		}
		if alert(op) {
			return text + ": " + op.Err.Error()
		}
		if op.Err != nil {
			text += ": " + describe(op.Err)
		}
		return text
	case errors.As(err, &no):
		return no.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &late) && late.Timeout():
		return "timed out"
	}
	return fmt.Sprintf("no answer (%T)", err)
}

// proxyStatus returns a proxy's status for CONNECT; 0: none. The error of
// net/http is an errors.New of the answer's reason phrase.
func proxyStatus(err error) int {
	if reflect.TypeOf(err) != plainError { // errors of other packages may panic
		return 0
	}
	phrase := err.Error()
	for status := http.StatusMultipleChoices; phrase != "" && status < 600; status++ {
		if phrase == http.StatusText(status) {
			return status
		}
	}
	return 0
}

// alert reports whether op is a TLS alert, sent or received.
func alert(op *net.OpError) bool {
	return op.Err != nil && (op.Op == "remote error" || op.Op == "local error")
}

// temporary reports whether a later attempt may fare better than the attempt
// that failed with err. An unknown host name, a bad certificate and a TLS alert
// last longer than any back-off.
func temporary(err error) bool {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		rec  tls.RecordHeaderError
		op   *net.OpError
		fell *timebox.Panic
	)
	if status := proxyStatus(err); status != 0 {
		return apierror.TemporaryStatus(status)
	}
	switch {
	case errors.As(err, &fell):
		return false
	case errors.As(err, &dns):
		return !dns.IsNotFound
	case errors.As(err, &cert), errors.As(err, &rec):
		return false
	case errors.As(err, &op):
		return !alert(op)
	}
	return true
}

// beforeSending reports whether err can only come up while a connection is
// being made. A TLS alert is none of these: under TLS 1.3 the server judges a
// client certificate after the request may have been written.
func beforeSending(err error) bool {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		op   *net.OpError
	)
	return errors.As(err, &dns) || errors.As(err, &cert) || errors.As(err, &op) && op.Op == "dial"
}
