package merchantauth

import (
	"encoding/json"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// StoreKey returns the key of the session's register in Config.Store, for incidents:
// if the register is deleted, the next call in need of a token logs in. The key is a
// hash of BaseURL, MerchantID and Email.
func (c *Client) StoreKey() string { return codec{c}.Register(struct{}{}) }

// A codec reads and writes the session in the record of Config.Store.
type codec struct{ client *Client }

// A storedToken is a session in a record. RefreshUntil is in Unix ms on Kuna's clock.
type storedToken struct {
	Access       string `json:"v"`
	Refresh      string `json:"r,omitempty"`
	RefreshUntil int64  `json:"x,omitempty"`
}

func (d codec) Register(struct{}) string {
	c := d.client
	return tokencache.RegisterName("merchantauth", c.session.BaseURL(), c.merchantID, c.email.Value())
}

func (d codec) Offset() time.Duration { return d.client.session.Clock.Seen() }

func (d codec) Marshal(_ struct{}, t Token) ([]byte, error) {
	s := storedToken{Access: t.secret.Value(), Refresh: t.RefreshToken()}
	if s.Refresh != "" {
		s.RefreshUntil = t.RefreshExpiresAt.Add(d.Offset()).UnixMilli()
	}
	return json.Marshal(s)
}

func (d codec) Unmarshal(_ struct{}, data []byte, expiresAt time.Time) (_ struct{}, _ Token, _ credential.ID, err error) {
	var s storedToken
	if err := json.Unmarshal(data, &s); err != nil {
		return struct{}{}, Token{}, credential.ID{}, err
	}
	t := Token{ExpiresAt: expiresAt.Round(0), secret: credential.New(s.Access)}
	if s.Refresh != "" {
		t.refresh, t.RefreshExpiresAt = credential.New(s.Refresh), time.UnixMilli(s.RefreshUntil).Add(-d.Offset())
	}
	return struct{}{}, t, t.secret.ID(), nil
}

// Grant is the rest of the life of the refresh token.
func (codec) Grant(t Token) time.Duration {
	if t.refresh == nil {
		return 0
	}
	return t.RefreshExpiresAt.Sub(t.ExpiresAt)
}

// Adopt records the refresh token of another process's token: the refresh token of
// the token before was spent.
func (d codec) Adopt(t Token) {
	if t.refresh != nil {
		d.client.hold(t)
	}
}

func (codec) MarshalKey(struct{}) string           { return "" }
func (codec) UnmarshalKey(string) (struct{}, bool) { return struct{}{}, true }
