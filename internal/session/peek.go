package session

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// patience is the longest wait of a caller for the body in Peek. Short bodies
// come with their header.
const patience = 100 * time.Millisecond

// maxDiscard bounds the read of a rejected answer's body, to keep its connection.
const maxDiscard = 16 << 10

// Peek returns the beginning of the body, at most n bytes, and puts it back.
// whole reports whether head is the whole body. Peek takes at most 100 ms, less
// if ctx ends, and reads no body that may be a stream: of a success, it reads
// bodies with an announced length of at most n. If whole is false, the Client
// looks at the answer again when its caller has read the body.
//
// A Dialect that can judge an answer by its status does not call Peek: a rejected
// request is then sent again without waiting for the body.
func Peek(ctx context.Context, resp *http.Response, n int) (head []byte, whole bool) {
	if resp.Body == nil || resp.Body == http.NoBody {
		return nil, true
	}
	length := resp.ContentLength
	if resp.StatusCode >= http.StatusMultipleChoices || 0 <= length && length <= int64(n) {
		p := newPump(resp.Body, n)
		head, whole = p.wait(ctx)
		resp.Body = p
	}
	if !whole {
		resp.Body = &watched{ReadCloser: resp.Body, limit: n}
	}
	return head, whole
}

// A pump reads the beginning of a body on a goroutine of its own. When the
// patience ends, the goroutine ends with its current read, and the pump is the
// body from then on.
type pump struct {
	body  io.ReadCloser
	limit int
	news  chan struct{} // holds a value if something has changed

	mu    sync.Mutex
	ahead []byte // read, and not handed out
	err   error  // of the last read
	done  bool   // the goroutine reads no more
	stop  bool   // and is to read no more
}

func newPump(body io.ReadCloser, limit int) *pump {
	p := &pump{body: body, limit: limit, news: make(chan struct{}, 1)}
	go p.run()
	return p
}

func (p *pump) run() {
	var chunk [4 << 10]byte
	for {
		n, err := p.body.Read(chunk[:])
		if p.add(chunk[:n], err) {
			return
		}
	}
}

// add adds the result of a read, and reports whether it was the last.
func (p *pump) add(chunk []byte, err error) (last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead = append(p.ahead, chunk...)
	p.err = err
	p.done = err != nil || p.stop || len(p.ahead) > p.limit
	select {
	case p.news <- struct{}{}:
	default:
	}
	return p.done
}

// wait returns the bytes up to the end of the body, the limit, the patience or the
// end of ctx.
func (p *pump) wait(ctx context.Context) (head []byte, whole bool) {
	over := time.NewTimer(patience)
	defer over.Stop()
	for !p.ended() {
		select {
		case <-p.news:
		case <-over.C:
			return p.leave()
		case <-ctx.Done():
			return p.leave()
		}
	}
	return p.leave()
}

func (p *pump) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

func (p *pump) leave() (head []byte, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = true
	n := min(len(p.ahead), p.limit)
	return p.ahead[:n:n], p.err == io.EOF && n == len(p.ahead)
}

// Read returns the bytes from the goroutine, and then the rest.
func (p *pump) Read(b []byte) (int, error) {
	for {
		n, done, err := p.take(b)
		switch {
		case n > 0, err != nil, len(b) == 0:
			return n, err
		case done:
			return p.body.Read(b)
		}
		<-p.news
	}
}

func (p *pump) take(b []byte) (n int, done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = copy(b, p.ahead)
	p.ahead = p.ahead[n:]
	if n == 0 && p.done {
		err = p.err
	}
	return n, p.done, err
}

// Close closes the body and so ends a running read.
func (p *pump) Close() error { return p.body.Close() }

// A watched body has settle look at its bytes when the caller has read all of
// them; at nil if there are more than limit.
type watched struct {
	io.ReadCloser
	limit  int
	seen   []byte
	settle func(body []byte) // nil: nobody looks, or somebody has
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if w.settle == nil {
		return n, err
	}
	w.seen = append(w.seen, p[:n]...)
	switch {
	case len(w.seen) > w.limit:
		w.end(nil)
	case err == io.EOF:
		w.end(w.seen)
	}
	return n, err
}

func (w *watched) end(body []byte) {
	settle := w.settle
	w.settle, w.seen = nil, nil
	settle(body)
}

// discard reads the rest of a rejected answer and closes it, so that the
// connection can be used again. The caller does not wait for it. A rest that is
// long, or does not come within the patience, costs the connection.
func discard(resp *http.Response) {
	if resp.Body != http.NoBody {
		go drain(resp.Body)
	}
}

func drain(body io.ReadCloser) {
	defer func() { _ = recover() }() // of an operator's RoundTripper
	defer body.Close()
	defer time.AfterFunc(patience, func() { _ = body.Close() }).Stop()
	_, _ = io.CopyN(io.Discard, body, maxDiscard)
}
