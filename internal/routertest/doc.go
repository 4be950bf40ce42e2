// Package routertest mounts the webhook handlers of package klas on the routers
// and behind the middleware that operators use, in their newest versions, and
// tests each of these stacks over HTTP/1 and HTTP/2. It is a module of its own, so
// that operators do not inherit the routers.
package routertest
