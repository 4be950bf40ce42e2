# Long runs. The gate (.ci/run) has them in a short form.

GO ?= go

.PHONY: strays keys

# Ten minutes of simulated time for each rate of stray rejections, in the four
# packages that make calls. Eight minutes.
strays:
	LONG=1 $(GO) test -v -p 1 -timeout 30m -run 'TestClient_(Strays|BadEndpoints|Outage|QuotaOfAMerchant)' \
		./partnerjwt ./assetpay ./merchantauth ./platformtoken

# A million keys that fail, and a million tokens that live. One minute.
keys:
	LONG=1 $(GO) test -v -run failingKeys ./internal/tokencache
	$(GO) test -run '^$$' -bench MillionKeys -benchtime 1x ./internal/tokencache
