package klas

import (
	"net/http"
	"time"
)

// An endpoint is one of the operator's webhook URLs.
type endpoint struct {
	hook *Webhook
	op   string
	// act decides on a verified webhook after parse. It is authenticate, with
	// auth, or pass, with next. Those two are functions so that fmt prints nothing
	// of what the operator's code holds; nil if there is none.
	act  func(x *exchange) verdict
	auth AuthenticatorFunc
	next http.HandlerFunc
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		if r.Body != nil && r.Body != http.NoBody {
			abandonBody(w, r)
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
		e.report(r, start, "", refuse("", "method", "must be POST"))
		return
	}
	ctx := &callContext{parent: r.Context(), deadline: start.Add(e.hook.cfg.HandlerTimeout)}
	defer ctx.end()

	x := e.hook.exchanges.Get().(*exchange)
	x.endpoint, x.w, x.r, x.start, x.ctx = e, w, r, start, ctx
	if v := x.judge(); !x.answered {
		x.answer(v)
	}
	e.hook.recycle(x)
}

// judge decides what is answered. Nothing of the body is looked at before its
// signature is.
func (x *exchange) judge() verdict {
	cut := x.read(x.hook.cfg.MaxBodyBytes)
	x.closing = cut != ""
	if err := x.useSecrets(x.hook.cfg.Secrets); err != nil {
		return failed("", err)
	}
	if cut != "" {
		return refuse(StatusIntegrityCheckFailed, "body", cut)
	}
	signature, rule := signatureOf(x.r.Header[SignatureHeader])
	if rule != "" {
		return refuse(StatusIntegrityCheckFailed, SignatureHeader, rule)
	}
	signer := x.keys.Verify(x.body, signature)
	if signer < 0 {
		return refuse(StatusIntegrityCheckFailed, SignatureHeader, "is not that of the body")
	}
	x.signer = signer
	if v := x.parse(); v.code != "" {
		return v
	}
	return x.act(x)
}

// parse decodes the verified body. Nothing of the operator's sees a body that is
// not a webhook.
func (x *exchange) parse() verdict {
	if rule := x.decode(x.body, &x.wire); rule != "" {
		return refuse(StatusInvalidBody, "body", rule)
	}
	if name, rule := x.wire.defect(); rule != "" {
		return refuse(StatusBadParams, name, rule)
	}
	return verdict{}
}

// prepare returns a call of the operator's code, without what it is given.
func (x *exchange) prepare() *call {
	if x.call == nil {
		x.call = newCall(x.hook)
	}
	c := x.call
	c.endpoint, c.ctx = x.endpoint, x.ctx
	if x.hook.cfg.ReplayGuard != nil {
		c.key = replayKey(x.body)
	}
	if x.r.ProtoMajor == 1 && endsAnswers(x.w) {
		c.x = x
	}
	return c
}

// run runs a call; the verdict has a code if that decides.
func (x *exchange) run(c *call) verdict {
	if time.Until(x.ctx.deadline) <= 0 { // the body or the secrets have taken it all
		return failed(StatusUnknown, errLate)
	}
	switch inTime := c.do(); {
	case !inTime && c.x == nil:
		x.call = nil // it was left
		fallthrough
	case !inTime:
		return failed(StatusUnknown, errLate)
	case c.err != nil:
		return operatorError(c)
	}
	return verdict{}
}

func (e *endpoint) report(r *http.Request, start time.Time, requestID string, v verdict) {
	cfg := &e.hook.cfg
	if cfg.OnResult == nil && cfg.Logger == nil {
		return
	}
	res := Result{Code: v.code, RequestID: requestID, Duration: time.Since(start), Err: v.fault.error(e.op)}
	if r.URL != nil {
		res.Path = r.URL.Path
	}
	logResult(r.Context(), cfg.Logger, res, v.fault)
	notify(r.Context(), cfg, res)
}
