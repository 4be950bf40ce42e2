module github.com/providerauth/providerauth-go/examples/replicas

go 1.25.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/providerauth/providerauth-go v0.0.0
	github.com/providerauth/providerauth-go/integrations/redisstore v0.0.0
	github.com/redis/rueidis v1.0.79
)

require (
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
	github.com/puzpuzpuz/xsync/v4 v4.5.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace (
	github.com/providerauth/providerauth-go => ../..
	github.com/providerauth/providerauth-go/integrations/redisstore => ../../integrations/redisstore
)
