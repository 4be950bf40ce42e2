package merchantauth

import (
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

const MaxSpent = maxSpent

type Grants = grants

func (g *Grants) Replace(refresh string, until time.Time) {
	g.replace(credential.New(refresh).ID(), until, credential.ID{})
}

func (g *Grants) Replaced(refresh string) bool { return g.replaced(credential.New(refresh).ID()) }

func (g *Grants) Kept() int { return len(g.spent) }
