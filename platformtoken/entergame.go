package platformtoken

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// An EnterGameRequest names the player and the game.
type EnterGameRequest struct {
	// UserID is the merchant's own id of the player. Required.
	UserID string
	// GameID is the platform's id of the game. Required.
	GameID int64
	// Currency to play in. The platform requires it of merchants with several
	// currencies. Optional: "" is not sent.
	Currency string
	// Language code of the game. Only one of the platform's two pages about
	// this call has it. Optional: "" is not sent.
	Language string
}

type enterGameBody struct {
	TenantID int64  `json:"tenantId"`
	UserID   string `json:"userId"`
	GameID   int64  `json:"gameId"`
	Currency string `json:"currency,omitempty"`
	Language string `json:"language,omitempty"`
}

var errLaunchURL = errors.New("data is not an absolute http or https URL")

// An EnterGameResponse is the answer to [Client.EnterGame]. It does not print its
// URL.
type EnterGameResponse struct {
	// URL launches the game. In a browser it works once, so treat it like a
	// credential.
	URL string
}

// Format prints no URL, under any verb.
func (r EnterGameResponse) Format(s fmt.State, _ rune) {
	fmt.Fprint(s, "platformtoken.EnterGameResponse(...)")
}

// LogValue shows no URL.
func (r EnterGameResponse) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// EnterGame returns the URL that launches the game for the player (POST
// /game/enter). The call takes no token. It is repeated only if nothing was
// sent, or on a 429 stating a wait.
//
// The page is https://docs.gameboxsoft.com/en/011.html.
func (c *Client) EnterGame(ctx context.Context, req EnterGameRequest) (EnterGameResponse, error) {
	const op = "EnterGame"
	problems := Player{req.UserID, req.Currency}.check()
	if req.GameID <= 0 {
		problems.Add("GameID", "required, must be greater than 0")
	}
	checkLanguage(&problems, req.Language)
	if err := invalid(op, problems); err != nil {
		return EnterGameResponse{}, err
	}
	resp, err := c.do(ctx, post(op, "/game/enter", transport.Once,
		enterGameBody{c.tenantID, req.UserID, req.GameID, req.Currency, req.Language}))
	if err != nil {
		return EnterGameResponse{}, err
	}
	launch, err := envelopeOf(resp).launchURL()
	if err != nil {
		return EnterGameResponse{}, fail(op, resp.Unusable(err))
	}
	return EnterGameResponse{URL: launch}, nil
}

// launchURL reads the answer to EnterGame.
func (e *envelope) launchURL() (launch string, _ error) {
	if err := e.open(&launch); err != nil {
		return "", err
	}
	var p check.Problems
	p.Require("data", launch)
	u, err := url.Parse(launch)
	if p != nil || err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errLaunchURL
	}
	return launch, nil
}
