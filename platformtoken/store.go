package platformtoken

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// StoreKey returns the key of the player's register in Config.Store, for incidents:
// if the register is deleted, the player's next call makes a new token. The key is a
// hash of BaseURL, TenantID and userID. Short ids can be found by trying, so the key
// is personal data where the id is.
func (c *Client) StoreKey(userID string) string { return codec{c}.Register(userID) }

// A codec reads and writes the tokens in the records of Config.Store.
type codec struct{ client *Client }

// A storedToken is a token in a record. Its names are short, as every record has
// them.
type storedToken struct {
	Value    string `json:"v"`
	Currency string `json:"c,omitempty"`
	Assumed  bool   `json:"a,omitempty"`
}

func (d codec) Register(userID string) string {
	c := d.client
	return tokencache.RegisterName("platformtoken", c.session.BaseURL(), strconv.FormatInt(c.tenantID, 10), userID)
}

func (d codec) Offset() time.Duration { return d.client.session.Clock.Seen() }

func (d codec) Marshal(currency string, t Token) ([]byte, error) {
	return json.Marshal(storedToken{t.secret.Value(), currency, t.ExpiryAssumed})
}

func (d codec) Unmarshal(userID string, data []byte, expiresAt time.Time) (currency string, _ Token, _ credential.ID, err error) {
	var s storedToken
	if err := json.Unmarshal(data, &s); err != nil {
		return "", Token{}, credential.ID{}, err
	}
	secret := credential.New(s.Value)
	t := Token{Player: Player{userID, s.Currency}, ExpiresAt: expiresAt, ExpiryAssumed: s.Assumed, secret: secret}
	return s.Currency, t, secret.ID(), nil
}

func (codec) Adopt(Token) {}

func (codec) Grant(Token) time.Duration { return 0 }

func (d codec) MarshalKey(userID string) string { return userID }

func (d codec) UnmarshalKey(s string) (string, bool) { return s, s != "" }
