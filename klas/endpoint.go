package klas

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// An endpoint is one of the operator's webhook URLs.
type endpoint struct {
	hook *Webhook
	op   string
	// act decides on a verified webhook. It is authenticate, with auth, or
	// pass, with next.
	act  func(e *endpoint, ctx *callContext, x *exchange, r *http.Request) verdict
	auth Authenticator
	next http.Handler
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx := r.Context()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		e.report(ctx, r, start, "", refuse("", "method", "must be POST"))
		return
	}
	x := e.hook.exchanges.Get().(*exchange)
	call := &callContext{parent: ctx, deadline: start.Add(e.hook.cfg.HandlerTimeout)}
	defer call.end()

	cut := x.read(w, r, e.hook.cfg.MaxBodyBytes, call.deadline)
	v := e.judge(call, x, r, cut)
	if err := e.write(w, x, v, cut != ""); err != nil && v.fault == nil {
		v.fault = &fault{err: err}
	}
	e.report(ctx, r, start, x.wire.RequestID, v)
	e.hook.recycle(x)
}

// judge decides what is answered. Nothing of the body is looked at before its
// signature is.
func (e *endpoint) judge(ctx *callContext, x *exchange, r *http.Request, cut string) verdict {
	if err := x.useSecrets(ctx, e.hook.cfg.Secrets); err != nil {
		return failed("", err)
	}
	if cut != "" {
		return refuse(StatusIntegrityCheckFailed, "body", cut)
	}
	signature, rule := signatureOf(r.Header[SignatureHeader])
	if rule != "" {
		return refuse(StatusIntegrityCheckFailed, SignatureHeader, rule)
	}
	signer := x.keys.Verify(x.body, signature)
	if signer < 0 {
		return refuse(StatusIntegrityCheckFailed, SignatureHeader, "is not that of the body")
	}
	x.signer = signer
	return e.act(e, ctx, x, r)
}

// prepare returns a call of the operator's code, without what it is given.
func (e *endpoint) prepare(ctx *callContext, x *exchange) *call {
	if x.call == nil {
		x.call = newCall()
	}
	c := x.call
	c.hook, c.op, c.ctx, c.auth, c.next = e.hook, e.op, ctx, e.auth, e.next
	if e.hook.cfg.ReplayGuard != nil {
		c.key = replayKey(x.body)
	}
	return c
}

var contentType = "application/json"

// write signs the answer and sends the bytes that were signed.
func (e *endpoint) write(w http.ResponseWriter, x *exchange, v verdict, closing bool) error {
	h := w.Header()
	if closing {
		h.Set("Connection", "close")
	}
	if v.code == "" && x.sheet == nil {
		w.WriteHeader(http.StatusInternalServerError)
		return nil
	}
	body := x.render(v)
	if x.sheet != nil {
		x.sheet.copyHeader(h)
	}
	values := [2]string{x.keys.Sign(x.signer, body), contentType}
	h[SignatureHeader] = values[0:1:1]
	h["Content-Type"] = values[1:2:2]
	_, err := w.Write(body)
	return err
}

// render returns the bytes of the answer, which are good until x is used again.
func (x *exchange) render(v verdict) []byte {
	if x.sheet != nil {
		return x.sheet.body.Bytes()
	}
	var answer any = &x.answer
	if v.code != StatusOK {
		answer = rejection{v.code}
	}
	x.out.Reset()
	_ = x.enc.Encode(answer) // strings into memory
	return bytes.TrimSuffix(x.out.Bytes(), newline)
}

var newline = []byte("\n") // the encoder ends with one, Klas's samples do not

func (e *endpoint) report(ctx context.Context, r *http.Request, start time.Time, requestID string, v verdict) {
	cfg := &e.hook.cfg
	if cfg.OnResult == nil && cfg.Logger == nil {
		return
	}
	res := Result{Code: v.code, RequestID: requestID, Duration: time.Since(start), Err: v.fault.error(e.op)}
	if r.URL != nil {
		res.Path = r.URL.Path
	}
	logResult(ctx, cfg.Logger, res, v.fault)
	notify(ctx, cfg, res)
}
