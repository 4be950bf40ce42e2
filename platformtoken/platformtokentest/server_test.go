package platformtokentest_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

const secret = "0123456789abcdef0123456789abcdef"

// bubble runs f with a server in simulated time.
func bubble(t *testing.T, opt platformtokentest.Options, f func(t *testing.T, srv *platformtokentest.Server)) {
	t.Helper()
	testkit.Bubble(t, platformtokentest.NewServer, opt, f)
}

// An answer is what the platform says.
type answer struct {
	status    int
	IsSuccess bool
	Code      int
	Data      json.RawMessage
}

// post sends a signed request, changed as asked for.
func post(t *testing.T, srv *platformtokentest.Server, path, token, body string, change ...func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte(secret + body + secret))
	r.Header.Set("sign", hex.EncodeToString(sum[:]))
	r.Header.Set("timestamp", strconv.FormatInt(time.Now().Unix(), 10))
	r.Header.Set("Accept-Language", "en")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range change {
		f(r)
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode}
	if err := json.Unmarshal(b, &a); err != nil && resp.StatusCode < 502 {
		t.Fatalf("%s: %v", b, err)
	}
	return a
}

// create makes a token for a player with BRL.
func create(t *testing.T, srv *platformtokentest.Server, userID string) string {
	t.Helper()
	var data struct{ Token, Expires string }
	a := post(t, srv, "/auth/createToken", "", fmt.Sprintf(`{"tenantId":1,"userId":%q,"currency":"BRL"}`, userID))
	if err := json.Unmarshal(a.Data, &data); err != nil || data.Token == "" {
		t.Fatalf("%+v: %v", a, err)
	}
	if _, err := time.Parse(time.DateTime, data.Expires); err != nil {
		t.Error(err)
	}
	return data.Token
}

func TestANewTokenKillsThePlayersPreviousOneAtOnce(t *testing.T) {
	bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
		use := func(token string) int {
			return post(t, srv, "/player/getBalance", token, `{"userId":"u"}`).status
		}
		first, other := create(t, srv, "u"), create(t, srv, "v")
		testkit.Equal(t, "first", use(first), 200)
		second := create(t, srv, "u")
		testkit.Equal(t, "first, second", []int{use(first), use(second)}, []int{401, 200})
		third := srv.OutsideCreate("u")
		testkit.Equal(t, "second, third", []int{use(second), use(third)}, []int{401, 200})
		testkit.Equal(t, "another player's", use(other), 403)
		testkit.Equal(t, "created", srv.Created("u"), 3)
		var got []string
		for _, rec := range srv.Tokens("u") {
			got = append(got, fmt.Sprint(rec.Number, rec.Origin, rec.KilledBy, rec.DiedAt.IsZero()))
		}
		testkit.Equal(t, "records", got, []string{"1clientclientfalse", "3clientoutsidefalse", "4outsidetrue"})
		time.Sleep(24 * time.Hour)
		testkit.Equal(t, "expired", use(third), 401)
		if _, ok := srv.Token("x"); ok {
			t.Error("a token is known that is none")
		}
	})
}

func TestRequestsAreCheckedAsThePagesSay(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			delete(r.Header, http.CanonicalHeaderKey(name))
			if value != "" {
				r.Header.Set(name, value)
			}
		}
	}
	const good = `{"tenantId":1,"userId":"u","currency":"BRL"}`
	bubble(t, platformtokentest.Options{TimestampTolerance: time.Minute}, func(t *testing.T, srv *platformtokentest.Server) {
		for name, tc := range map[string]struct {
			path, body string
			change     func(*http.Request)
			code       int
		}{
			"right":                {"/auth/createToken", good, nil, 0},
			"no currency":          {"/auth/createToken", `{"tenantId":1,"userId":"u"}`, nil, 0},
			"no sign":              {"/auth/createToken", good, set("sign", ""), platformtokentest.CodeRequest},
			"no timestamp":         {"/auth/createToken", good, set("timestamp", ""), platformtokentest.CodeRequest},
			"no language":          {"/auth/createToken", good, set("Accept-Language", ""), platformtokentest.CodeRequest},
			"form":                 {"/auth/createToken", good, set("Content-Type", "application/x-www-form-urlencoded"), platformtokentest.CodeRequest},
			"milliseconds":         {"/auth/createToken", good, set("timestamp", "1.5"), platformtokentest.CodeRequest},
			"wrong sign":           {"/auth/createToken", good, set("sign", "cb525a74d029c553518c35c0478efaf7"), platformtokentest.CodeSign},
			"old timestamp":        {"/auth/createToken", good, set("timestamp", "946684738"), platformtokentest.CodeTimestamp},
			"early timestamp":      {"/auth/createToken", good, set("timestamp", "946684862"), platformtokentest.CodeTimestamp},
			"a token":              {"/auth/createToken", good, set("Authorization", "Bearer x"), platformtokentest.CodeRequest},
			"another order":        {"/auth/createToken", `{"userId":"u","tenantId":1}`, nil, platformtokentest.CodeSign},
			"white space":          {"/auth/createToken", `{"tenantId": 1,"userId":"u"}`, nil, platformtokentest.CodeSign},
			"needless escapes":     {"/auth/createToken", `{"tenantId":1,"userId":"a\u0026b"}`, nil, platformtokentest.CodeSign},
			"null":                 {"/auth/createToken", `{"tenantId":1,"userId":"u","currency":null}`, nil, platformtokentest.CodeSign},
			"a string for an int":  {"/auth/createToken", `{"tenantId":"1","userId":"u"}`, nil, platformtokentest.CodeRequest},
			"an unknown member":    {"/auth/createToken", `{"tenantId":1,"userId":"u","x":1}`, nil, platformtokentest.CodeRequest},
			"another tenant":       {"/auth/createToken", `{"tenantId":2,"userId":"u"}`, nil, platformtokentest.CodeRequest},
			"no user":              {"/auth/createToken", `{"tenantId":1,"userId":""}`, nil, platformtokentest.CodeRequest},
			"GET":                  {"/auth/createToken", good, func(r *http.Request) { r.Method = http.MethodGet }, platformtokentest.CodeRecord},
			"no such endpoint":     {"/auth/refresh", good, nil, platformtokentest.CodeRecord},
			"register":             {"/player/register", `{"tenantId":1,"siteId":"s","userId":"u","nickName":"n","balance":1.5,"currency":"BRL"}`, nil, 0},
			"register, no nick":    {"/player/register", `{"tenantId":1,"userId":"u"}`, nil, platformtokentest.CodeSign},
			"enter":                {"/game/enter", `{"tenantId":1,"userId":"u","gameId":7}`, nil, 0},
			"enter, wrong tenant":  {"/game/enter", `{"tenantId":3,"userId":"u","gameId":7}`, nil, platformtokentest.CodeRequest},
			"enter, not JSON":      {"/game/enter", `{`, nil, platformtokentest.CodeRequest},
			"records":              {"/game/getRecords", `{ }`, nil, 0},
			"balance, no token":    {"/player/getBalance", `{"userId":"u"}`, nil, platformtokentest.CodeToken},
			"transfer, no token":   {"/player/transfer", `{}`, nil, platformtokentest.CodeToken},
			"status, a bare token": {"/player/getTransferStatus", `{}`, set("Authorization", "x"), platformtokentest.CodeToken},
		} {
			var change []func(*http.Request)
			if tc.change != nil {
				change = append(change, tc.change)
			}
			a := post(t, srv, tc.path, "", tc.body, change...)
			if a.Code != tc.code || a.IsSuccess != (tc.code == 0) || (a.status == 200) != a.IsSuccess {
				t.Errorf("%s: got %+v, want code %d", name, a, tc.code)
			}
		}
	})
}

func TestFailuresMayBeInsideASuccess(t *testing.T) {
	bubble(t, platformtokentest.Options{FailuresInOK: true}, func(t *testing.T, srv *platformtokentest.Server) {
		a := post(t, srv, "/player/getBalance", "", `{"userId":"u"}`)
		testkit.Equal(t, "answer", fmt.Sprint(a.status, a.IsSuccess, a.Code), fmt.Sprint(200, false, platformtokentest.CodeToken))
		cfg := srv.Config()
		testkit.Equal(t, "rejected", cfg.Rejected("/x", 200, platformtokentest.CodeToken), true)
		testkit.Equal(t, "rejected", cfg.Rejected("/x", 200, platformtokentest.CodeSign), false)
	})
}

func TestTransfersMoveTheMoneyOfTheTokensPlayerOnce(t *testing.T) {
	bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
		u, p := create(t, srv, "u"), platformtoken.Player{UserID: "u", Currency: "BRL"}
		for _, tc := range []struct {
			body string
			code int
		}{
			{`{"txId":"a","transferType":1,"amount":10.5}`, 0},
			{`{"txId":"a","transferType":1,"amount":10.5}`, platformtokentest.CodeTxID},
			{`{"txId":"b","transferType":2,"amount":20}`, platformtokentest.CodeBalance},
			{`{"txId":"b","transferType":2,"amount":0.5}`, 0},
			{`{"txId":"c","transferType":3,"amount":1}`, platformtokentest.CodeRequest},
			{`{"txId":"","transferType":1,"amount":1}`, platformtokentest.CodeRequest},
			{`{"txId":"c","transferType":1,"amount":0}`, platformtokentest.CodeRequest},
			{`{"txId":"c","transferType":1,"amount":-1}`, platformtokentest.CodeRequest},
			{`{"txId":"c","transferType":1,"amount":1.50}`, platformtokentest.CodeSign},
			{`{"txId":"c","transferType":1,"amount":1e1}`, platformtokentest.CodeSign},
			{`{"txId":"c","transferType":1,"amount":"1"}`, platformtokentest.CodeSign},
			{`{"txId":"c"}`, platformtokentest.CodeSign},
		} {
			if a := post(t, srv, "/player/transfer", u, tc.body); a.Code != tc.code {
				t.Errorf("%s: %+v, want code %d", tc.body, a, tc.code)
			}
		}
		testkit.Equal(t, "wallet", srv.Balance(p), "10")
		testkit.Equal(t, "total", srv.Total(), "0")
		srv.Deposit(p, "1.25")
		testkit.Equal(t, "wallet", srv.Balance(p), "11.25")
		testkit.Equal(t, "total", srv.Total(), "1.25")
		rec, ok := srv.Transfer("b")
		testkit.Equal(t, "record", fmt.Sprint(ok, rec), fmt.Sprint(true, platformtokentest.TransferRecord{
			TxID: "b", RecordID: "r2", Player: p, Direction: platformtoken.TransferOut, Amount: "0.5", State: platformtoken.TransferSucceeded,
		}))
		if _, ok := srv.Transfer("c"); ok {
			t.Error("a refused transfer is known")
		}
		v := create(t, srv, "v")
		status := func(token, body string) int { return post(t, srv, "/player/getTransferStatus", token, body).Code }
		testkit.Equal(t, "codes of statuses", []int{status(u, `{"recordId":"r1"}`), status(v, `{"recordId":"r1"}`), status(u, `{"recordId":"r9"}`)},
			[]int{0, platformtokentest.CodeRecord, platformtokentest.CodeRecord})
		testkit.Equal(t, "settled", srv.Settle("a", platformtoken.TransferFailed), false)
		defer func() {
			if recover() == nil {
				t.Error("Deposit of what is no number does not panic")
			}
		}()
		srv.Deposit(p, "x")
	})
}

func TestPendingTransfersWaitToBeSettled(t *testing.T) {
	bubble(t, platformtokentest.Options{Pending: true}, func(t *testing.T, srv *platformtokentest.Server) {
		u, p := create(t, srv, "u"), platformtoken.Player{UserID: "u", Currency: "BRL"}
		for _, id := range []string{"a", "b"} {
			post(t, srv, "/player/transfer", u, `{"txId":"`+id+`","transferType":1,"amount":3}`)
		}
		testkit.Equal(t, "wallet", srv.Balance(p), "0")
		testkit.Equal(t, "settled", []bool{
			srv.Settle("a", platformtoken.TransferProcessing), srv.Settle("a", platformtoken.TransferSucceeded), srv.Settle("a", platformtoken.TransferSucceeded),
			srv.Settle("b", platformtoken.TransferFailed), srv.Settle("c", platformtoken.TransferFailed),
		}, []bool{false, true, false, true, false})
		testkit.Equal(t, "wallet", srv.Balance(p), "3")
	})
}

func TestFaultsAreToldFromEachOtherInTheRecords(t *testing.T) {
	bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
		const body = `{"tenantId":1,"userId":"u"}`
		srv.LoseAnswers(1)
		srv.ActLate(1, time.Second)
		for range 2 {
			testkit.Equal(t, "status", post(t, srv, "/auth/createToken", "", body).status, 0)
		}
		srv.Intercept(nil) // the count of what is under way goes on
		create(t, srv, "u")
		time.Sleep(2 * time.Second)
		srv.FailNext(1, 401, nil)
		testkit.Equal(t, "code", post(t, srv, "/auth/createToken", "", body).Code, platformtokentest.CodeFault)
		srv.FailNext(1, 502, nil)
		testkit.Equal(t, "status", post(t, srv, "/auth/createToken", "", body).status, 502)
		post(t, srv, "/auth/createToken", "", body, func(r *http.Request) { r.Header.Set("Platformtokentest-Fault", "late") })
		var got []platformtokentest.Origin
		for _, rec := range srv.Tokens("u") {
			got = append(got, rec.Origin)
		}
		testkit.Equal(t, "origins", got, []platformtokentest.Origin{
			platformtokentest.ByLost, platformtokentest.ByClient, platformtokentest.ByLate, platformtokentest.ByClient,
		})
		testkit.Equal(t, "at once", srv.MaxConcurrent("u"), 1)
		testkit.Equal(t, "requests", srv.Count("/auth/createToken"), len(srv.Requests()))
	})
}

func TestRequestsForOnePlayersTokenAtOnceAreCounted(t *testing.T) {
	bubble(t, platformtokentest.Options{}, func(t *testing.T, srv *platformtokentest.Server) {
		srv.Delay(time.Second)
		done := make(chan bool)
		for _, u := range []string{"u", "u", "v"} {
			go func() { create(t, srv, u); done <- true }()
		}
		for range 3 {
			<-done
		}
		testkit.Equal(t, "at once", []int{srv.MaxConcurrent("u"), srv.MaxConcurrent("v"), srv.MaxConcurrent("w")}, []int{2, 1, 0})
	})
}

func TestServerOnASocketAnswersAClient(t *testing.T) {
	srv := platformtokentest.NewServer(platformtokentest.Options{TenantID: 7, Secret: "another"})
	defer srv.Close()
	c, err := platformtoken.New(srv.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Balance(t.Context(), platformtoken.Player{UserID: "u"}); err != nil {
		t.Error(err)
	}
}

func TestStart(t *testing.T) { testkit.Started(t, platformtokentest.Start) }
