// Package routertest mounts the webhook handlers of package klas on the
// operators' routers and middleware, in their newest versions, and tests each
// of these stacks over HTTP/1 and HTTP/2. It is a module of its own: operators
// do not inherit the routers.
package routertest
