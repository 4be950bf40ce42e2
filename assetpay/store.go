package assetpay

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// StoreKey returns the key of the user's register in Config.Store, for incidents: if
// the register is deleted, the user's next call makes an exchange. The key is a hash
// of BaseURL and of the SteamID and ClientID of u. Steam IDs can be found by trying,
// so the key is personal data.
func (c *Client) StoreKey(u User) string { return codec{c}.Register(identity{u.SteamID, u.ClientID}) }

// A codec reads and writes the tokens in the records of Config.Store.
type codec struct{ client *Client }

// A storedToken is a token in a record, with the data that it was issued for.
type storedToken struct {
	Value    string      `json:"v"`
	Assumed  bool        `json:"a,omitempty"`
	TradeURL string      `json:"u"`
	Data     *ClientData `json:"d,omitempty"`
}

func (d codec) Register(who identity) string {
	return tokencache.RegisterName("assetpay", d.client.session.BaseURL(), who.steamID, who.clientID)
}

func (d codec) Offset() time.Duration { return d.client.session.Clock.Seen() }

func (d codec) Marshal(why purpose, t Token) ([]byte, error) {
	s := storedToken{Value: t.secret.Value(), Assumed: t.ExpiryAssumed, TradeURL: why.tradeURL}
	if why.given {
		s.Data = &why.data
	}
	return json.Marshal(s)
}

func (d codec) Unmarshal(who identity, data []byte, expiresAt time.Time) (why purpose, _ Token, _ credential.ID, err error) {
	var s storedToken
	if err := json.Unmarshal(data, &s); err != nil {
		return purpose{}, Token{}, credential.ID{}, err
	}
	why.tradeURL = s.TradeURL
	if s.Data != nil {
		why.given, why.data = true, s.Data.canonical()
	}
	secret := credential.New(s.Value)
	t := Token{ExpiresAt: expiresAt.Round(0), ExpiryAssumed: s.Assumed, secret: secret, who: &who, bare: d.client.bare}
	return why, t, secret.ID(), nil
}

func (codec) Adopt(Token) {}

func (codec) Grant(Token) time.Duration { return 0 }

// A key of a notice is the Steam ID, a space and the client id. A Steam ID has no
// space.
func (codec) MarshalKey(who identity) string { return who.steamID + " " + who.clientID }

func (codec) UnmarshalKey(s string) (who identity, ok bool) {
	who.steamID, who.clientID, ok = strings.Cut(s, " ")
	return who, ok
}
