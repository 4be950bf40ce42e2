module github.com/providerauth/providerauth-go

go 1.25.0

require (
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/google/go-cmp v0.7.0
	github.com/hashicorp/go-retryablehttp v0.7.8
	github.com/puzpuzpuz/xsync/v4 v4.5.0
	golang.org/x/sync v0.22.0
)

require github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
