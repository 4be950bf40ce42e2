package routertest

import (
	"bytes"
	"net/http"
	"time"

	"github.com/NYTimes/gziphandler"
	gingzip "github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/handlers"
	"github.com/gorilla/mux"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// path is where every stack mounts the handler.
const path = "/klas/authenticate"

// A mount puts the handler of a webhook on a router.
type mount func(hook http.Handler) http.Handler

// The routers. None gets a method: the handler answers other methods itself.

func mountServeMux(hook http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/klas/authenticate", hook)
	return mux
}

func mountChi(hook http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Handle("/klas/authenticate", hook)
	return r
}

func mountGin(hook http.Handler) http.Handler {
	r := gin.New()
	r.Any("/klas/authenticate", gin.WrapH(hook))
	return r
}

func mountEcho(hook http.Handler) http.Handler {
	e := echo.New()
	e.Any("/klas/authenticate", echo.WrapHandler(hook))
	return e
}

func mountGorilla(hook http.Handler) http.Handler {
	r := mux.NewRouter()
	r.Handle("/klas/authenticate", hook)
	return r
}

// The routers with the compression that is usual for them.

func mountServeMuxNYTimes(hook http.Handler) http.Handler {
	return gziphandler.GzipHandler(mountServeMux(hook))
}

func mountServeMuxNYTimesAll(hook http.Handler) http.Handler {
	wrap, err := gziphandler.GzipHandlerWithOpts(gziphandler.MinSize(0))
	if err != nil {
		panic(err) // the option is constant
	}
	return wrap(mountServeMux(hook))
}

func mountServeMuxKlauspost(hook http.Handler) http.Handler {
	return gzhttp.GzipHandler(mountServeMux(hook))
}

func mountServeMuxKlauspostAll(hook http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(0))
	if err != nil {
		panic(err) // the option is constant
	}
	return wrap(mountServeMux(hook))
}

func mountChiCompress(hook http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(chimiddleware.Compress(5))
	r.Handle("/klas/authenticate", hook)
	return r
}

func mountGinGzip(hook http.Handler) http.Handler {
	r := gin.New()
	r.Use(gingzip.Gzip(gingzip.DefaultCompression))
	r.Any("/klas/authenticate", gin.WrapH(hook))
	return r
}

func mountEchoGzip(hook http.Handler) http.Handler {
	e := echo.New()
	e.Use(echomiddleware.Gzip())
	e.Any("/klas/authenticate", echo.WrapHandler(hook))
	return e
}

func mountGorillaCompress(hook http.Handler) http.Handler {
	return handlers.CompressHandler(mountGorilla(hook))
}

// The routers with a logger that is usual for them.

func mountChiLogger(hook http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(chimiddleware.RequestLogger(silent{}))
	r.Handle("/klas/authenticate", hook)
	return r
}

func mountGinBodyLog(hook http.Handler) http.Handler {
	r := gin.New()
	r.Use(func(c *gin.Context) {
		c.Writer = &bodyLog{ResponseWriter: c.Writer}
		c.Next()
	})
	r.Any("/klas/authenticate", gin.WrapH(hook))
	return r
}

func mountEchoRequestLogger(hook http.Handler) http.Handler {
	e := echo.New()
	e.Use(echomiddleware.RequestLoggerWithConfig(echomiddleware.RequestLoggerConfig{
		LogStatus: true, LogValuesFunc: func(echo.Context, echomiddleware.RequestLoggerValues) error { return nil },
	}))
	e.Any("/klas/authenticate", echo.WrapHandler(hook))
	return e
}

// The middleware that goes in front of any router.

// recorder notes the status. It has no Unwrap, so the handler behind it reaches
// neither the connection nor its deadlines.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func withRecorder(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&recorder{ResponseWriter: w}, r)
	})
}

// flusher is a recorder that can flush: it looks like the writer of net/http.
type flusher struct{ recorder }

func (f *flusher) Flush() {
	if under, ok := f.ResponseWriter.(http.Flusher); ok {
		under.Flush()
	}
}

func withFlusher(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&flusher{recorder{ResponseWriter: w}}, r)
	})
}

func withTimeoutHandler(next http.Handler) http.Handler {
	return http.TimeoutHandler(next, time.Minute, "")
}

func withOpenTelemetry(next http.Handler) http.Handler { return otelhttp.NewHandler(next, "klas") }

func withPrometheus(next http.Handler) http.Handler {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "seconds"}, []string{"code", "method"})
	return promhttp.InstrumentHandlerDuration(seconds, next)
}

// routers and middleware are combined, mounts are stacks of their own.
var (
	routers = map[string]mount{
		"ServeMux": mountServeMux, "chi": mountChi, "gin": mountGin, "echo": mountEcho, "gorilla": mountGorilla,
	}
	middleware = map[string]mount{
		"recorder": withRecorder, "flushing recorder": withFlusher, "TimeoutHandler": withTimeoutHandler,
		"otelhttp": withOpenTelemetry, "promhttp": withPrometheus,
	}
	mounts = map[string]mount{
		"ServeMux, NYTimes gziphandler": mountServeMuxNYTimes, "ServeMux, NYTimes gziphandler of any size": mountServeMuxNYTimesAll,
		"ServeMux, klauspost gzhttp": mountServeMuxKlauspost, "ServeMux, klauspost gzhttp of any size": mountServeMuxKlauspostAll,
		"chi, Compress": mountChiCompress, "chi, RequestLogger": mountChiLogger,
		"gin, gzip": mountGinGzip, "gin, body log": mountGinBodyLog,
		"echo, Gzip": mountEchoGzip, "echo, RequestLogger": mountEchoRequestLogger,
		"gorilla, CompressHandler": mountGorillaCompress,
	}
)

// stacks returns all of them by name.
func stacks() map[string]mount {
	all := map[string]mount{}
	for name, router := range routers {
		all[name] = router
		for outer, wrap := range middleware {
			all[name+", "+outer] = func(hook http.Handler) http.Handler { return wrap(router(hook)) }
		}
	}
	for name, m := range mounts {
		all[name] = m
	}
	return all
}

// bodyLog is what many programs with gin have: it keeps a copy of the answer.
type bodyLog struct {
	gin.ResponseWriter
	body bytes.Buffer
}

func (l *bodyLog) Write(p []byte) (int, error) {
	l.body.Write(p)
	return l.ResponseWriter.Write(p)
}

// silent is chi's LogFormatter and LogEntry.
type silent struct{}

func (silent) NewLogEntry(*http.Request) chimiddleware.LogEntry { return silent{} }
func (silent) Write(int, int, http.Header, time.Duration, any)  {}
func (silent) Panic(any, []byte)                                {}
